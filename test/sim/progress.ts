/** Tells how far a long session has come: on a terminal each second in one line, elsewhere each minute in a line of its own. */

const TERMINAL_EVERY_MS = 1_000;
const LOG_EVERY_MS = 60_000;

export interface Progress {
  readonly tell: (runs: number, failed: number) => void;
  readonly end: () => void;
}

export interface Session {
  readonly beganAt: number;
  /** Infinity: no limit. */
  readonly runs: number;
  readonly until: number;
}

export const createProgress = (
  session: Session,
  output: { readonly isTTY?: boolean; readonly write: (text: string) => unknown },
  now: () => number,
): Progress => {
  const everyMs = output.isTTY ? TERMINAL_EVERY_MS : LOG_EVERY_MS;
  let toldAt = session.beganAt;
  return {
    tell: (runs, failed) => {
      if (now() - toldAt < everyMs) return;
      toldAt = now();
      const line = describeProgress(session, runs, failed, now());
      output.write(output.isTTY ? `\r${line}\u001b[K` : `${line}\n`);
    },
    end: () => {
      if (output.isTTY) output.write('\r\u001b[K');
    },
  };
};

export const perSecond = (runs: number, forMs: number): number => Math.round((runs * 1_000) / Math.max(1, forMs));

export const describeProgress = (
  { beganAt, runs: limit, until }: Session,
  runs: number,
  failed: number,
  now: number,
) => {
  const tookMs = now - beganAt;
  const byRuns = Number.isFinite(limit) ? (tookMs / Math.max(1, runs)) * (limit - runs) : Number.POSITIVE_INFINITY;
  const leftMs = Math.max(0, Math.min(byRuns, until - now));
  const of = Number.isFinite(limit) ? ` of ${limit}` : '';
  const left = Number.isFinite(leftMs) ? `, about ${Math.ceil(leftMs / 1_000)} s left` : '';
  return `${runs}${of} runs, ${failed} failed, ${perSecond(runs, tookMs)} runs/s${left}`;
};
