import { expect, test } from 'vitest';
import { listeningInodes } from './listener.js';

const SOCKET = { local: { kind: 'socket', path: '/run/mysqld/mysqld.sock' }, port: 3306 } as const;
/** As the kernel prints them: one listens, one is a connection to it, one belongs to somebody else. */
const UNIX = `Num       RefCount Protocol Flags    Type St Inode Path
00000000ec1c4d65: 00000002 00000000 00010000 0001 01  1072 /run/mysqld/mysqld.sock
00000000544e803d: 00000003 00000000 00000000 0001 03  1073 /run/mysqld/mysqld.sock
00000000544e803e: 00000002 00000000 00010000 0001 01  1074 /run/other.sock
`;
const TCP = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000:0CEA 00000000:0000 0A 00000000:00000000 00:00000000 00000000   101        0 622 1 000000009f3a169b 100 0 0 10 0
   1: 0100007F:0CEA 0100007F:98A5 01 00000000:00000000 00:00000000 00000000   101        0 623 1 00000000c415e243 20 4 30 10 -1
   2: 00000000:0016 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 624 1 000000009f3a169c 100 0 0 10 0
`;

test('the sockets on which the server is waited for are those of its path and its port that listen', () => {
  expect([...listeningInodes({ unix: UNIX, tcp: TCP }, SOCKET)]).toEqual(['1072', '622']);
});

test('a server that is reached by TCP has no path', () => {
  const tcp = { local: { kind: 'tcp', host: '127.0.0.1', port: 22 }, port: 3306 } as const;
  expect([...listeningInodes({ unix: UNIX, tcp: TCP }, tcp)]).toEqual(['622', '624']);
});
