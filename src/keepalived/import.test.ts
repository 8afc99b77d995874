/** keepalived.conf in, vipd.yaml out: the expected files, nothing passed over, and errors with their place. */

import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { KEY_HEX } from '../config/config.fixture.js';
import { loadConfig } from '../config/load.js';
import { CASES, type Case, HOST } from './import.fixture.js';
import { type ImportHost, type ImportOptions, importKeepalived } from './import.js';
import { renderImportErrors } from './source.js';

const UPDATE = process.env.UPDATE === '1';

const yamlOf = ({ file, options }: Case): string => {
  const result = importKeepalived(file, options, HOST);
  return result.ok ? result.yaml : renderImportErrors(result.errors);
};

const filesBelow = (directory: string): readonly string[] =>
  readdirSync(directory, { recursive: true, encoding: 'utf8' })
    .filter((name) => /\.(conf|vip)$/.test(name))
    .map((name) => join(directory, name));

interface Written {
  /** As the comments name it. */
  readonly place: string;
  readonly words: readonly string[];
  /** The comment has the value in the place of the definition's name. */
  readonly defined: boolean;
}

/** The lines of a file that say something, by another way than the import's: for each its place and bare words. */
const written = (directory: string, file: string): readonly Written[] =>
  readFileSync(file, 'utf8')
    .split('\n')
    .map((line, index) => ({
      place: `${relative(directory, file)}:${index + 1}`,
      defined: line.includes('$'),
      words: line
        .replace(/(^|\s)[#!].*$/, '')
        .replace(/^\s*@\S+\s/, '')
        .split(/[\s{}"'\\`$]+/)
        .filter((word) => word !== ''),
    }))
    .filter(({ words }) => words.length > 0);

describe('each configuration', () => {
  test('there are more than ten', () => expect(CASES.length).toBeGreaterThan(10));

  test.each(CASES)('$name becomes its vipd.yaml; UPDATE=1 writes it anew', (each) => {
    const yaml = yamlOf(each);
    if (UPDATE || !existsSync(each.expected)) writeFileSync(each.expected, yaml);
    expect(yaml).toBe(readFileSync(each.expected, 'utf8'));
  });

  test.each(CASES)('$name: every line is named, with its keyword, in a comment', (each) => {
    const home = dirname(each.file);
    const comments = yamlOf(each)
      .split('\n')
      .filter((line) => line.startsWith('#'))
      .join('\n')
      .replaceAll(/\n# {5}/g, ' ');
    const lines = filesBelow(home).flatMap((file) => written(home, file));
    const silent = lines.filter(({ place, words, defined }) => {
      const told = comments.split('\n').filter((line) => line.startsWith(`# ${place} `));
      return !inDefinition(each, place) && !told.some((line) => defined || line.includes(words[0] ?? ''));
    });
    expect(silent).toEqual([]);
    expect(lines.length).toBeGreaterThan(10);
  });

  test.each(CASES)('$name: no password reaches a comment', (each) => {
    const secrets = filesBelow(dirname(each.file))
      .flatMap((file) => [...readFileSync(file, 'utf8').matchAll(/auth_pass "?([^"\s]+)/g)])
      .map((match) => match[1] ?? '');
    const yaml = yamlOf(each);
    expect(secrets.filter((secret) => yaml.includes(secret))).toEqual([]);
  });
});

/** The definition that begins on line 9 goes on to line 12, and is told as one. */
const inDefinition = ({ name }: Case, place: string): boolean =>
  name === 'one-file-for-both' && /:(1[012])$/.test(place);

describe('the result', () => {
  const complete = ['notify-scripts', 'unicast-cloud', 'sync-group', 'one-file-for-both', 'tracks-everything'];

  test.each(CASES.filter(({ name }) => complete.includes(name)))(
    '$name passes check-config once the key, the credentials and the scripts are there',
    (each) => {
      expect(checked(yamlOf(each))).toEqual([]);
    },
  );

  test.each(CASES.filter(({ name }) => !complete.includes(name)))(
    '$name: check-config refuses nothing but what is still to be filled in',
    (each) => {
      const errors = checked(yamlOf(each));
      expect(errors.length).toBeGreaterThan(0);
      expect(errors.filter((error) => !/FILL-IN|priority|gateways/.test(error))).toEqual([]);
    },
  );
});

/** check-config's errors, with every file it names in place and sound. */
const checked = (yaml: string): readonly string[] => {
  const loaded = loadConfig('vipd.yaml', {
    hostName: 'db1',
    userId: 0,
    statFile: (path) => ({
      mode: path.startsWith('/etc/vipd/') ? 0o600 : 0o755,
      uid: 0,
      size: 100,
      isFile: () => !path.includes('FILL-IN'),
    }),
    readFile: (path) =>
      Buffer.from(path === 'vipd.yaml' ? yaml : path.endsWith('key') ? KEY_HEX : '[client]\nuser = vipd\n'),
  });
  return loaded.ok ? [] : loaded.errors.map(({ key, message, hint }) => `${key}: ${message}; ${hint}`);
};

const OPTIONS: ImportOptions = {
  node: { name: 'db1', address: '10.0.0.1' },
  peer: { name: 'db2', address: '10.0.0.2' },
  witness: null,
  gateway: null,
  instances: [],
};

const hostWith = (files: Readonly<Record<string, string>>): ImportHost => ({
  ...HOST,
  files: {
    read(path) {
      const text = files[path];
      if (text === undefined) throw Object.assign(new Error('none'), { code: 'ENOENT' });
      return text;
    },
    list: (directory) =>
      Object.keys(files)
        .filter((path) => dirname(path) === directory)
        .map((path) => path.slice(directory.length + 1)),
  },
});

const errorOf = (text: string, more: Readonly<Record<string, string>> = {}, options = OPTIONS): string => {
  const result = importKeepalived('/k/keepalived.conf', options, hostWith({ '/k/keepalived.conf': text, ...more }));
  return result.ok ? '' : renderImportErrors(result.errors);
};

const instance = (inside: string): string => `vrrp_instance A {\n interface eth0\n ${inside}\n}\n`;

describe('what cannot be read is an error with its file and line', () => {
  test.each([
    [
      'a block that is never closed',
      'vrrp_instance A {\n',
      ':1: the block of vrrp_instance is never closed; write the missing }',
    ],
    [
      'a brace too many',
      'vrrp_instance A {\n}\n}\n',
      ':3: } closes no block; remove it, or write the { that it closes',
    ],
    ['a brace before any keyword', '{\n}\n', ':1: { has no keyword before it; remove it'],
    [
      'a quotation mark that is never closed',
      'vrrp_script a {\n script "x\n}\n',
      ':2: " is never closed; write the missing quotation mark',
    ],
    [
      'a priority that is no number',
      instance('priority high'),
      ':3: priority "high" is no number from 1 to 255; write such a number',
    ],
    [
      'a priority out of range',
      instance('priority 256'),
      ':3: priority "256" is no number from 1 to 255; write such a number',
    ],
    [
      'a keyword without its value',
      instance('unicast_src_ip'),
      ':3: unicast_src_ip has no value; write unicast_src_ip and its value',
    ],
    [
      'an address that is none',
      instance('virtual_ipaddress {\n  10.0.0.999\n }'),
      ':4: "10.0.0.999" is not an IPv4 address for a virtual address; write an address with its prefix length, such as 10.99.0.100/24',
    ],
    [
      'a prefix that is none',
      instance('virtual_ipaddress {\n  10.0.0.9/33\n }'),
      ':4: "10.0.0.9/33" has no valid prefix length for a virtual address; write a number from 1 to 32 after the slash',
    ],
    [
      'a peer that is no address',
      instance('unicast_peer {\n  db2\n }'),
      ':4: "db2" is not an address but looks like a name for a peer; write an IPv4 or IPv6 address such as 10.99.0.1 or fd00::1',
    ],
    [
      'two instances of one name',
      `${instance('')}${instance('')}`,
      ':5: a second vrrp_instance A; give each its own name',
    ],
    [
      'a sequence',
      '~SEQ(N, 1, 3) x $N\n',
      ':1: sequences and lists (~SEQ, ~LST) are not understood here; write out the lines they stand for',
    ],
    [
      'a random number',
      instance(`priority $${'{'}_RANDOM 1 9}`),
      ':3: _RANDOM gives another number each time; write a number in its place',
    ],
    [
      'a definition that names itself',
      `$A=x $A\n${instance('priority $A')}`,
      ':4: more than 1000 substitutions, or 1000000 characters; does a definition name itself? write the values out',
    ],
    [
      'a file that is not there',
      'include parts/a.conf\n',
      ':1: cannot read /k/parts/a.conf (ENOENT); correct the path, or run this as root',
    ],
    [
      'a pattern that must match',
      'includem parts/*.conf\n',
      ':1: no file matches parts/*.conf; correct the pattern; keepalived refuses this as well',
    ],
  ])('%s', (_what, text, error) => {
    expect(errorOf(text)).toBe(`/k/keepalived.conf${error}`);
  });

  test('names the included file and its own line', () => {
    const error = errorOf('include conf.d/*\n', { '/k/conf.d/a.conf': '\nvrrp_instance A {\n priority 0\n}\n' });
    expect(error).toBe('/k/conf.d/a.conf:3: priority "0" is no number from 1 to 255; write such a number');
  });

  test('a file that includes itself', () => {
    expect(errorOf('include keepalived.conf\n')).toBe(
      '/k/keepalived.conf:1: more than 16 files deep; does a file include itself?',
    );
  });

  test('blocks and definitions within each other without end', () => {
    expect(errorOf('a {\n'.repeat(100_000))).toBe(
      '/k/keepalived.conf:33: blocks more than 32 deep; write the missing }',
    );
    expect(errorOf('$A= \\\nx \\\n$A\n$A\n')).toBe(
      '/k/keepalived.conf:4: definitions more than 64 deep; does a definition name itself?',
    );
    expect(errorOf(`$A= \\\nx \\\ny\n$B= \\\n$A \\\n$A\n${'@db1 '.repeat(100_000)}$B\n`)).toMatch(
      'there is no vrrp_instance',
    );
  });

  test('whatever stands in it, there is an answer', () => {
    const word = fc.constantFrom(
      'vrrp_instance',
      'A',
      'vrrp_script',
      'script',
      '{',
      '}',
      '\n',
      '"',
      '@db1',
      '@^db1',
      '$A=',
      '$A',
      '\\\n',
      'include',
      'keepalived.conf',
      'priority',
      '5',
      'virtual_ipaddress',
      '10.0.0.1/24',
      'track_script',
      'notify',
      '#',
      'dev',
      'unicast_peer',
      "'",
    );
    fc.assert(
      fc.property(fc.array(word, { maxLength: 60 }), (words) => {
        const result = importKeepalived(
          '/k/keepalived.conf',
          OPTIONS,
          hostWith({ '/k/keepalived.conf': words.join(' ') }),
        );
        expect(result.ok ? result.yaml : result.errors[0]?.hint).not.toBe('');
      }),
      { numRuns: 500 },
    );
  });

  test('a file without an instance, and an instance that is not there', () => {
    expect(errorOf('global_defs {\n}\n')).toBe(
      '/k/keepalived.conf: there is no vrrp_instance in it; vipd needs one for its group and VIPs',
    );
    const wanted = { ...OPTIONS, instances: ['B'] };
    expect(errorOf(instance(''), {}, wanted)).toBe('/k/keepalived.conf: there is no vrrp_instance B; write one of A');
  });
});
