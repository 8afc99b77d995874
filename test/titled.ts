/** A test's title, with why it cannot run here where it cannot: of a skipped test a report holds nothing else. */
export const titled = (title: string, canRun: boolean, needs: string): string =>
  canRun ? title : `${title} [skipped: it needs ${needs}]`;
