/** What vipctl ends with; scripts rely on these numbers. */

export const EXIT_DONE = 0;
/** Refused or failed; the reason is on stderr. */
export const EXIT_REFUSED = 1;
export const EXIT_USAGE = 2;
/** No agent answers, or not to the end. */
export const EXIT_NO_AGENT = 3;
export const EXIT_BAD_CONFIG = 4;

export type ExitStatus =
  | typeof EXIT_DONE
  | typeof EXIT_REFUSED
  | typeof EXIT_USAGE
  | typeof EXIT_NO_AGENT
  | typeof EXIT_BAD_CONFIG;
