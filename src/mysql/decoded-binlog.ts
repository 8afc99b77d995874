/** Reads what mariadb-binlog and mysqlbinlog print of row events (`--base64-output=decode-rows --verbose`), line by line. */

/** One row as the program prints it: values in the order of the columns, texts quoted. */
export interface ChangedRow {
  readonly kind: 'insert' | 'update' | 'delete';
  /** `schema.table`. */
  readonly table: string;
  /** Empty for an insert. */
  readonly before: readonly string[];
  /** Empty for a delete. */
  readonly after: readonly string[];
}

export interface DecodedTransaction {
  readonly gtid: string;
  /** When it was executed, by the wall clock and time zone of the host: `2026-11-21 10:32:33`. */
  readonly at: string;
  /** Byte of the file at which it begins. */
  readonly start: number;
  /** The first MAX_ROWS of them. */
  readonly rows: readonly ChangedRow[];
  /** Rows by table and kind, all of them. */
  readonly counts: ReadonlyMap<string, Readonly<Record<ChangedRow['kind'], number>>>;
  /** What is not rows: DDL, and statements of `binlog_format=STATEMENT`. At most MAX_STATEMENTS. */
  readonly statements: readonly string[];
}

export interface BinlogDecoder {
  line(text: string): void;
  /** After the last line. */
  end(): void;
}

/** Of one transaction; the kept binary log has all. */
export const MAX_ROWS = 1_000;
export const MAX_STATEMENTS = 100;
/** Of one value or statement. */
const MAX_TEXT_CHARS = 1_000;

const AT = /^# at (\d+)$/;
/** Head of an event: date, time, server id, end, checksum, and what it is. */
const HEAD =
  /^#(\d{2})(\d{2})(\d{2})\s+(\d{1,2}:\d{2}:\d{2}) server id \d+\s+end_log_pos \d+\s+(?:CRC32 0x[0-9a-f]+\s+)?(.*)$/;
const MARIADB_GTID = /^GTID (\d+-\d+-\d+)/;
const MYSQL_GTID = /^SET @@SESSION\.GTID_NEXT\s*=\s*'([^']+)'/;
const ROW = /^### (INSERT INTO|UPDATE|DELETE FROM) (.+)$/;
const VALUE = /^###\s+@\d+=(.*)$/;
const END_OF_STATEMENT = '/*!*/;';
/** Lines of a query event that only set the stage for the statement. */
const STAGE = /^(?:SET |use |\/\*!|\/\*M!|BEGIN\b|START TRANSACTION\b|COMMIT\b|ROLLBACK\b|XA |DELIMITER )/;

const KINDS = { 'INSERT INTO': 'insert', UPDATE: 'update', 'DELETE FROM': 'delete' } as const;

interface OpenRow {
  readonly kind: ChangedRow['kind'];
  readonly table: string;
  readonly before: string[];
  readonly after: string[];
  /** Where the next value belongs. */
  part: 'before' | 'after';
}

interface OpenTransaction {
  gtid: string;
  readonly at: string;
  readonly start: number;
  readonly rows: ChangedRow[];
  readonly counts: Map<string, Record<ChangedRow['kind'], number>>;
  readonly statements: string[];
}

export const createBinlogDecoder = (onTransaction: (transaction: DecodedTransaction) => void): BinlogDecoder => {
  let offset = 0;
  let open: OpenTransaction | undefined;
  let row: OpenRow | undefined;
  /** Lines of the query event that is being read; null: none is. */
  let query: string[] | null = null;

  const closeRow = (): void => {
    if (row !== undefined && open !== undefined) addRow(open, row);
    row = undefined;
  };

  const closeQuery = (): void => {
    const statement = (query ?? []).join('\n').trim();
    query = null;
    if (statement === '' || open === undefined || open.statements.length >= MAX_STATEMENTS) return;
    open.statements.push(shorten(statement));
  };

  const closeTransaction = (): void => {
    closeRow();
    closeQuery();
    if (open !== undefined && open.gtid !== '') onTransaction(open);
    open = undefined;
  };

  const readHead = (date: string, what: string): void => {
    closeRow();
    closeQuery();
    if (what.startsWith('GTID')) {
      closeTransaction();
      const gtid = MARIADB_GTID.exec(what)?.[1] ?? '';
      open = { gtid, at: date, start: offset, rows: [], counts: new Map(), statements: [] };
    } else if (what.startsWith('Query')) query = [];
    // A rotated or stopped log ends whatever came before.
    else if (/^(?:Rotate|Stop|Start)\b/.test(what)) closeTransaction();
  };

  const readRow = (line: string): boolean => {
    const begun = ROW.exec(line);
    if (begun !== null) {
      closeRow();
      const kind = KINDS[begun[1] as keyof typeof KINDS];
      const part = kind === 'insert' ? 'after' : 'before';
      row = { kind, table: tableName(begun[2] ?? ''), before: [], after: [], part };
      return true;
    }
    if (row === undefined || !line.startsWith('###')) return false;
    if (line === '### SET') row.part = 'after';
    const value = VALUE.exec(line)?.[1];
    if (value !== undefined) row[row.part].push(shorten(value));
    return true;
  };

  return {
    line: (line) => {
      const at = AT.exec(line)?.[1];
      if (at !== undefined) {
        offset = Number(at);
        return;
      }
      const head = HEAD.exec(line);
      if (head !== null) {
        const [, year, month, day, time = '', what = ''] = head;
        readHead(`20${year}-${month}-${day} ${time.padStart(8, '0')}`, what.trim());
        return;
      }
      if (readRow(line)) return;
      const gtid = MYSQL_GTID.exec(line)?.[1];
      if (gtid !== undefined && open !== undefined && open.gtid === '' && gtid !== 'AUTOMATIC') open.gtid = gtid;
      if (query === null) return;
      if (line === END_OF_STATEMENT) closeQuery();
      else if (query.length > 0 || !STAGE.test(line)) query.push(line);
    },
    end: closeTransaction,
  };
};

const addRow = (transaction: OpenTransaction, { kind, table, before, after }: OpenRow): void => {
  const counts = transaction.counts.get(table) ?? { insert: 0, update: 0, delete: 0 };
  counts[kind] += 1;
  transaction.counts.set(table, counts);
  if (transaction.rows.length < MAX_ROWS) transaction.rows.push({ kind, table, before, after });
};

/** `` `shop`.`orders` ``, with a backtick of a name doubled, as `shop.orders`. */
const tableName = (quoted: string): string =>
  quoted
    .trim()
    .replace(/^`|`$/g, '')
    .split('`.`')
    .map((part) => part.replaceAll('``', '`'))
    .join('.');

const shorten = (text: string): string => (text.length > MAX_TEXT_CHARS ? `${text.slice(0, MAX_TEXT_CHARS)}…` : text);
