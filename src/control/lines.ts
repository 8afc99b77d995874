/** Splits a byte stream into lines, with a bound on their length. */

const NEWLINE = 0x0a;

export interface LineSplitter {
  /** The lines that this piece completes, without their newlines; null once a line is longer than the bound. */
  readonly push: (piece: Buffer) => readonly Buffer[] | null;
  /** What has come since the last newline. */
  readonly rest: () => Buffer;
}

export const createLineSplitter = (maxBytes: number): LineSplitter => {
  let pieces: Buffer[] = [];
  let pending = 0;
  const take = (last: Buffer): Buffer => {
    const line = Buffer.concat([...pieces, last]);
    pieces = [];
    pending = 0;
    return line;
  };
  return {
    push(piece) {
      const lines: Buffer[] = [];
      let from = 0;
      for (let at = piece.indexOf(NEWLINE); at !== -1; at = piece.indexOf(NEWLINE, from)) {
        if (pending + at - from > maxBytes) return null;
        lines.push(take(piece.subarray(from, at)));
        from = at + 1;
      }
      const rest = piece.subarray(from);
      if (pending + rest.length > maxBytes) return null;
      if (rest.length > 0) {
        pieces.push(rest);
        pending += rest.length;
        joinSmall(pieces);
      }
      return lines;
    },
    rest: () => Buffer.concat(pieces),
  };
};

/**
 * A byte in a buffer of its own takes some two hundred times as much room, and a line can come byte by byte. Joining a piece
 * with the one before while it is no shorter keeps few, and copies each byte a few times only.
 */
const joinSmall = (pieces: Buffer[]): void => {
  for (let at = pieces.length - 1; at > 0; at -= 1) {
    const [before, last] = pieces.slice(at - 1);
    if (before === undefined || last === undefined || last.length < before.length) return;
    pieces.splice(at - 1, 2, Buffer.concat([before, last]));
  }
};
