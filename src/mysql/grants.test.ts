import { describe, expect, test } from 'vitest';
import { grantStatements, missingGrants } from './grants.js';

const rows = (...lines: readonly string[]) => lines.map((line) => ({ 'Grants for vipd@localhost': line }));

/** As MariaDB 10.11 prints what grantStatements asked for. */
const MARIADB = [
  "GRANT PROCESS, SUPER, EVENT, SET USER, CONNECTION ADMIN, READ_ONLY ADMIN, REPLICATION SLAVE ADMIN, REPLICATION MASTER ADMIN, BINLOG ADMIN, BINLOG REPLAY, SLAVE MONITOR ON *.* TO `vipd`@`localhost` IDENTIFIED BY PASSWORD '*X'",
  'GRANT SELECT, INSERT, UPDATE, CREATE ON `vipd`.* TO `vipd`@`localhost`',
] as const;

describe('missingGrants', () => {
  test('nothing is missing where all was granted', () => {
    expect(missingGrants('mariadb', rows(...MARIADB))).toEqual([]);
    expect(
      missingGrants('mariadb', rows('GRANT ALL PRIVILEGES ON *.* TO `root`@`localhost` WITH GRANT OPTION')),
    ).toEqual([]);
  });

  test('what is missing is named, with its reason', () => {
    const [global, probe] = MARIADB;
    const missing = missingGrants(
      'mariadb',
      rows(global.replace('CONNECTION ADMIN, ', ''), probe.replace(', UPDATE', '')),
    );
    expect(missing.map(({ privilege, on }) => `${privilege} ${on}`)).toEqual(['CONNECTION ADMIN *.*', 'UPDATE vipd.*']);
  });

  test('READ_ONLY ADMIN is no part of SUPER', () => {
    const missing = missingGrants('mariadb', rows(MARIADB[0].replace(' READ_ONLY ADMIN,', ''), MARIADB[1]));
    expect(missing.map(({ privilege }) => privilege)).toEqual(['READ_ONLY ADMIN']);
  });

  test('a privilege on another database does not count; one on all does', () => {
    expect(missingGrants('mariadb', rows(MARIADB[0], MARIADB[1].replace('`vipd`', '`shop`')))).toHaveLength(4);
    expect(
      missingGrants('mariadb', rows(MARIADB[0], 'GRANT SELECT, INSERT, UPDATE, CREATE ON *.* TO `v`@`%`')),
    ).toEqual([]);
  });

  test('MySQL: dynamic privileges come on a line of their own', () => {
    const dynamic =
      'GRANT CONNECTION_ADMIN,REPLICATION_APPLIER,REPLICATION_SLAVE_ADMIN,SERVICE_CONNECTION_ADMIN,SESSION_VARIABLES_ADMIN,SET_ANY_DEFINER,SYSTEM_USER,SYSTEM_VARIABLES_ADMIN,XA_RECOVER_ADMIN ON *.* TO `vipd`@`localhost`';
    const granted = rows(
      'GRANT SELECT, INSERT, UPDATE, DELETE, PROCESS, REPLICATION CLIENT, EVENT ON *.* TO `vipd`@`localhost`',
      dynamic,
      MARIADB[1],
    );
    expect(missingGrants('mysql', granted)).toEqual([]);
  });

  test('what grantStatements asks for is what is missing from nothing', () => {
    const lines = grantStatements('mysql', '`vipd`@`localhost`');
    expect(missingGrants('mysql', rows(...lines))).toEqual([]);
    expect(missingGrants('mysql', []).length).toBeGreaterThan(0);
  });
});
