import { describe, expect, test } from 'vitest';
import { asDatabaseError, DatabaseError, stateOf } from './errors.js';

const systemError = (code: string, errno = -111) => Object.assign(new Error(`connect ${code}`), { code, errno });
const serverError = (errno: number, code = 'ER_X') => Object.assign(new Error('as the server says'), { code, errno });

describe('asDatabaseError', () => {
  test.each([
    [systemError('ECONNREFUSED'), 'down', 'down'],
    [systemError('ENOENT'), 'down', 'down'],
    [serverError(2002), 'down', 'down'],
    [serverError(2003), 'down', 'down'],
    [systemError('EHOSTUNREACH'), 'down', 'down'],
    [systemError('ECONNRESET'), 'lost', 'down'],
    [systemError('PROTOCOL_CONNECTION_LOST'), 'lost', 'down'],
    [systemError('ETIMEDOUT'), 'hanging', 'hanging'],
    [systemError('EAGAIN'), 'hanging', 'hanging'],
    [serverError(1040), 'full', 'full'],
    [serverError(1203), 'full', 'full'],
    [serverError(1045), 'denied', 'denied'],
    [serverError(1044), 'denied', 'denied'],
    [serverError(1142), 'denied', 'denied'],
    [serverError(1227), 'denied', 'denied'],
    [systemError('AUTH_SWITCH_PLUGIN_ERROR'), 'denied', 'denied'],
    [serverError(1053), 'shutting-down', 'shutting-down'],
    [serverError(3032), 'offline', 'failed'],
    [serverError(1290), 'read-only', 'failed'],
    [serverError(1064), 'statement', 'failed'],
  ] as const)('%s', (error, kind, state) => {
    const failure = asDatabaseError(error, 'connect to /run/mysqld.sock');
    expect(failure.kind).toBe(kind);
    expect(stateOf(failure.kind)).toBe(state);
    expect(failure.message).toContain('connect to /run/mysqld.sock: ');
  });

  test("keeps the number of the server, and never libuv's", () => {
    expect(asDatabaseError(serverError(1045), 'x')).toMatchObject({
      errno: 1045,
      message: 'x: error 1045: as the server says',
    });
    expect(asDatabaseError(systemError('ENOENT', -2), 'x').errno).toBe(0);
  });

  test('leaves what is classified already, and takes anything thrown', () => {
    const own = new DatabaseError('hanging', 0, 'no answer');
    expect(asDatabaseError(own, 'x')).toBe(own);
    expect(asDatabaseError('text', 'x').kind).toBe('statement');
  });
});
