/** Takes one JSON log line apart, and makes a short one of it for a person at a terminal. */

/** From `2024-05-06T07:08:09.010Z`: the day is known to who sits there. */
const TIME_OF_DAY = /T([\d:.]+)Z$/;
const LEVEL_WIDTH = 5;

/**
 * `{"level":"info","time":"…T07:08:09.010Z","msg":"took the VIP","term":4}` becomes
 * `07:08:09.010 info  took the VIP term=4`. A line that is no JSON object is left as it is.
 */
export const formatLine = (line: string): string => {
  const entry = parseEntry(line);
  if (entry === null) return line;
  const { level, time, msg, err, ...fields } = entry;
  const told = Object.entries(fields).map(([name, value]) => `${name}=${showValue(value)}`);
  const clock = TIME_OF_DAY.exec(String(time))?.[1] ?? String(time);
  const words = [clock, String(level).padEnd(LEVEL_WIDTH), showValue(msg ?? ''), ...told];
  return `${words.join(' ')}${showError(err)}\n`;
};

/** Null: no JSON object. */
export const parseEntry = (line: string): Readonly<Record<string, unknown>> | null => {
  try {
    const parsed: unknown = JSON.parse(line);
    return typeof parsed === 'object' && parsed !== null && !Array.isArray(parsed) ? { ...parsed } : null;
  } catch {
    return null;
  }
};

/** Text as it is, anything else as JSON; nothing in it may steer the terminal. */
export const showValue = (value: unknown): string =>
  (typeof value === 'string' ? value : JSON.stringify(value)).replace(/(?!\t)\p{Cc}/gu, ' ');

/** pino's error serializer gives type, message and stack; the stack is for whoever reads the code. */
export const showError = (error: unknown): string => {
  if (typeof error !== 'object' || error === null || !('stack' in error)) return '';
  return `\n  ${String(error.stack).split('\n').map(showValue).join('\n  ')}`;
};
