/** The agent's database login, as a my.cnf style file writes it. */

/** What the agent logs in with. Never logged: print `user`, never the object. */
export interface Credentials {
  readonly user: string;
  readonly password: string;
  /** Absent: no TLS. Paths of PEM files, as in my.cnf. */
  readonly tls?: TlsFiles;
}

export interface TlsFiles {
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
  /** `ssl-verify-server-cert`: the certificate must belong to the host we connect to. */
  readonly verifyServer: boolean;
}

/** The file cannot be used: which line, what is wrong and what would be right. */
export class CredentialsError extends Error {
  override readonly name = 'CredentialsError';
  constructor(
    readonly what: string,
    readonly hint: string,
  ) {
    super(`${what}; ${hint}`);
  }
}

/** The text of such a file; `path` is for messages only. */
export const parseCredentials = (text: string, path: string): Credentials => {
  const options = parseClientGroup(text, path);
  const user = options.get('user');
  if (user === undefined || user === '') {
    throw new CredentialsError(`${path} names no user in its [client] group`, 'add a line: user = vipd');
  }
  const tls = tlsFiles(options);
  return { user, password: options.get('password') ?? '', ...(tls === undefined ? {} : { tls }) };
};

const tlsFiles = (options: ReadonlyMap<string, string>): TlsFiles | undefined => {
  const ca = options.get('ssl-ca');
  const cert = options.get('ssl-cert');
  const key = options.get('ssl-key');
  const verify = options.get('ssl-verify-server-cert');
  if (ca === undefined && cert === undefined && key === undefined && verify === undefined) return undefined;
  return {
    ...(ca === undefined ? {} : { ca }),
    ...(cert === undefined ? {} : { cert }),
    ...(key === undefined ? {} : { key }),
    verifyServer: verify !== undefined && !['0', 'off', 'false', 'no'].includes(verify.toLowerCase()),
  };
};

/** Groups, comments and quoting as in the manual's "Using Option Files"; `_` and `-` are the same in a name. */
const parseClientGroup = (text: string, path: string): ReadonlyMap<string, string> => {
  const options = new Map<string, string>();
  let group = '';
  text.split(/\r?\n/).forEach((raw, index) => {
    const line = raw.trim();
    if (line === '' || line.startsWith('#') || line.startsWith(';')) return;
    const header = /^\[([^\]]+)\]\s*(?:#.*)?$/.exec(line);
    if (header) {
      group = header[1]?.trim().toLowerCase() ?? '';
      return;
    }
    if (line.startsWith('!')) {
      throw new CredentialsError(
        `${path} line ${index + 1}: ${line.split(/\s/)[0]} is not followed here`,
        'put the login itself into this file',
      );
    }
    // The value stays out of the message: it may be the password.
    if (line.startsWith('['))
      throw new CredentialsError(`${path} line ${index + 1}: a group must be written [client]`, 'close the bracket');
    if (group !== 'client') return;
    const option = /^([\w-]+)\s*(?:=\s*(.*))?$/.exec(line);
    if (!option)
      throw new CredentialsError(`${path} line ${index + 1}: expected name = value`, 'write such as user = vipd');
    const name = (option[1] ?? '').toLowerCase().replaceAll('_', '-');
    options.set(name, unquote(option[2] ?? '', `${path} line ${index + 1}`));
  });
  return options;
};

const ESCAPES: Readonly<Record<string, string>> = { b: '\b', t: '\t', n: '\n', r: '\r', s: ' ' };

/** Quotes keep `#` and outer spaces; the escapes are those of option files (`\s` is a space). */
const unquote = (value: string, where: string): string => {
  const quote = value[0];
  let body = value;
  if (quote === '"' || quote === "'") {
    const end = closingQuote(value, quote);
    if (end < 0) throw new CredentialsError(`${where}: a quoted value is not closed`, 'end it with the same quote');
    body = value.slice(1, end);
  } else {
    body = value.replace(/\s+#.*$/, '').trim();
  }
  return body.replace(/\\(.)/g, (_, letter: string) => ESCAPES[letter] ?? letter);
};

const closingQuote = (value: string, quote: string): number => {
  for (let i = 1; i < value.length; i += 1) {
    if (value[i] === '\\') i += 1;
    else if (value[i] === quote) return i;
  }
  return -1;
};
