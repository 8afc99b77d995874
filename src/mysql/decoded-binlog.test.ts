/** What the servers' programs print, as MariaDB 10.11 and MySQL 9.7 printed it, becomes transactions. */

import { describe, expect, test } from 'vitest';
import { createBinlogDecoder, type DecodedTransaction, MAX_ROWS } from './decoded-binlog.js';

const decode = (text: string): readonly DecodedTransaction[] => {
  const transactions: DecodedTransaction[] = [];
  const decoder = createBinlogDecoder((transaction) => transactions.push(transaction));
  for (const line of text.split('\n')) decoder.line(line);
  decoder.end();
  return transactions;
};

const MARIADB_HEAD = `# at 256
#261121 10:32:33 server id 1  end_log_pos 285 CRC32 0x56d949f9 	Gtid list []
# at 285
#261121 10:32:33 server id 1  end_log_pos 325 CRC32 0x38b96763 	Binlog checkpoint binlog.000001`;

const MARIADB_DDL = `# at 325
#261121  9:02:33 server id 1  end_log_pos 367 CRC32 0x1226501b 	GTID 0-1-1 ddl
/*M!100101 SET @@session.skip_parallel_replication=0*//*!*/;
/*M!100001 SET @@session.gtid_seq_no=1*//*!*/;
# at 367
#261121  9:02:33 server id 1  end_log_pos 459 CRC32 0x5d5122e9 	Query	thread_id=8	exec_time=0	error_code=0	xid=0
SET TIMESTAMP=1795257153/*!*/;
SET @@session.sql_mode=1411383304/*!*/;
/*!\\C utf8mb4 *//*!*/;
CREATE TABLE shop.t (
  id INT
)
/*!*/;`;

const MARIADB_ROWS = `# at 1345
#261121 10:32:33 server id 1  end_log_pos 1387 CRC32 0x572619cf 	GTID 0-1-6 trans
/*M!100001 SET @@session.gtid_seq_no=6*//*!*/;
START TRANSACTION
/*!*/;
# at 1387
# at 1447
#261121 10:32:33 server id 1  end_log_pos 1497 CRC32 0x165bf82e 	Table_map: \`shop\`.\`orders\` mapped to number 18
# at 1497
#261121 10:32:33 server id 1  end_log_pos 1549 CRC32 0x4f85c22c 	Update_rows: table id 18 flags: STMT_END_F
### UPDATE \`shop\`.\`orders\`
### WHERE
###   @1=1
###   @2='it's \\x0a ä'
### SET
###   @1=1
###   @2=NULL
# Number of rows: 1
# at 1549
#261121 10:32:33 server id 1  end_log_pos 1580 CRC32 0xc603c2da 	Write_rows: table id 18 flags: STMT_END_F
### INSERT INTO \`shop\`.\`or\`\`ders\`
### SET
###   @1=7
### DELETE FROM \`shop\`.\`orders\`
### WHERE
###   @1=3
# at 1580
#261121 10:32:33 server id 1  end_log_pos 1590 CRC32 0xc603c2da 	Xid = 36
COMMIT/*!*/;
DELIMITER ;
# End of log file
ROLLBACK /* added by mysqlbinlog */;`;

const MYSQL_ROWS = `# at 158
#261121 10:06:12 server id 1  end_log_pos 237 CRC32 0x9d1c5e1a 	GTID	last_committed=0	sequence_number=1	rbr_only=yes	original_committed_timestamp=1795255572	immediate_commit_timestamp=1795255572	transaction_length=306
/*!50718 SET TRANSACTION ISOLATION LEVEL READ COMMITTED*//*!*/;
SET @@SESSION.GTID_NEXT= '3e11fa47-71ca-11e1-9e33-c80aa9429562:23'/*!*/;
# at 237
#261121 10:06:12 server id 1  end_log_pos 311 CRC32 0x11bd7b6d 	Query	thread_id=9	exec_time=0	error_code=0
SET TIMESTAMP=1795255572/*!*/;
BEGIN
/*!*/;
# at 311
#261121 10:06:12 server id 1  end_log_pos 433 CRC32 0xa1f3f6d5 	Write_rows: table id 90 flags: STMT_END_F
### INSERT INTO \`shop\`.\`orders\`
### SET
###   @1=5
# at 433
#261121 10:06:12 server id 1  end_log_pos 464 CRC32 0x0d5e5d36 	Xid = 12
COMMIT/*!*/;
SET @@SESSION.GTID_NEXT= 'AUTOMATIC' /* added by mysqlbinlog */ /*!*/;`;

describe('decoded binary log', () => {
  test('a statement that is no rows is told as it stands, without what sets the stage for it', () => {
    expect(decode(`${MARIADB_HEAD}\n${MARIADB_DDL}`)).toMatchObject([
      {
        gtid: '0-1-1',
        at: '2026-11-21 09:02:33',
        start: 325,
        rows: [],
        statements: ['CREATE TABLE shop.t (\n  id INT\n)'],
      },
    ]);
  });

  test('rows have their values before and after, and begin where the transaction begins', () => {
    const [ddl, rows] = decode(`${MARIADB_HEAD}\n${MARIADB_DDL}\n${MARIADB_ROWS}`);
    expect(ddl?.gtid).toBe('0-1-1');
    expect(rows).toMatchObject({
      gtid: '0-1-6',
      start: 1345,
      statements: [],
      rows: [
        { kind: 'update', table: 'shop.orders', before: ['1', "'it's \\x0a ä'"], after: ['1', 'NULL'] },
        { kind: 'insert', table: 'shop.or`ders', before: [], after: ['7'] },
        { kind: 'delete', table: 'shop.orders', before: ['3'], after: [] },
      ],
    });
    expect(rows?.counts.get('shop.orders')).toEqual({ insert: 0, update: 1, delete: 1 });
  });

  test("MySQL's GTID stands on a line of its own", () => {
    expect(decode(MYSQL_ROWS)).toMatchObject([
      {
        gtid: '3e11fa47-71ca-11e1-9e33-c80aa9429562:23',
        start: 158,
        statements: [],
        rows: [{ kind: 'insert', table: 'shop.orders', after: ['5'] }],
      },
    ]);
  });

  test('rows beyond the limit are counted and not held', () => {
    const row = '### INSERT INTO `shop`.`orders`\n### SET\n###   @1=5\n';
    const many = MYSQL_ROWS.replace(row, row.repeat(MAX_ROWS + 5));
    const [transaction] = decode(many);
    expect(transaction?.rows).toHaveLength(MAX_ROWS);
    expect(transaction?.counts.get('shop.orders')?.insert).toBe(MAX_ROWS + 5);
  });
});
