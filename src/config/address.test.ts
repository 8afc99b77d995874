import { describe, expect, test } from 'vitest';
import {
  networkOrBroadcast,
  parseAddress,
  parseAddressWithPrefix,
  parseEndpoint,
  parseInterfaceName,
  unusable,
} from './address.js';

const refusal = (result: { ok: boolean }) => (result.ok ? 'accepted' : `${Reflect.get(result, 'message')}`);

describe('an address', () => {
  test('is kept in its canonical text, so that two spellings are one address', () => {
    expect(parseAddress('FD00:0:0::1')).toEqual({ ok: true, value: { address: 'fd00::1', family: 6 } });
    expect(parseAddress('10.99.0.1')).toEqual({ ok: true, value: { address: '10.99.0.1', family: 4 } });
  });

  test.each([
    ['10.99.0', '"10.99.0" is not an IPv4 address'],
    ['10.99.0.01', '"10.99.0.01" is not an IPv4 address'],
    ['10.99.0.1/24', '"10.99.0.1/24" has a prefix length'],
    ['10.99.0.1:8694', '"10.99.0.1:8694" is more than an address'],
    ['[fd00::1]', '"[fd00::1]" is more than an address'],
    ['fe80::1%eth0', '"fe80::1%eth0" has a zone'],
    ['eth0', '"eth0" is not an address but looks like a name'],
    ['db1.example.com', '"db1.example.com" is not an address'],
    ['', '"" is not an address'],
  ])('%s is refused', (text, message) => {
    expect(refusal(parseAddress(text))).toBe(message);
  });

  test.each([
    ['0.0.0.0', 'the unspecified address'],
    ['::', 'the unspecified address'],
    ['224.0.0.18', 'a multicast address'],
    ['ff02::12', 'a multicast address'],
    ['255.255.255.255', 'the broadcast address'],
    ['::ffff:10.99.0.1', 'an IPv4 address in IPv6 notation'],
    ['10.99.0.1', null],
    ['fd00::1', null],
  ])('%s as a host: %s', (text, why) => {
    const result = parseAddress(text);
    expect(result.ok && unusable(result.value)).toBe(why);
  });
});

describe('an address with prefix length', () => {
  test('is taken apart', () => {
    expect(parseAddressWithPrefix('10.99.0.100/24')).toEqual({
      ok: true,
      value: { address: '10.99.0.100', family: 4, prefixLength: 24 },
    });
  });

  test.each([
    ['10.99.0.100', '"10.99.0.100" has no prefix length'],
    ['10.99.0.100/33', '"10.99.0.100/33" has no valid prefix length'],
    ['10.99.0.100/0', '"10.99.0.100/0" has no valid prefix length'],
    ['10.99.0.100/024', '"10.99.0.100/024" has no valid prefix length'],
    ['10.99.0.100/24/24', '"10.99.0.100/24/24" has no valid prefix length'],
    ['fd00::1/129', '"fd00::1/129" has no valid prefix length'],
    ['10.99.0/24', '"10.99.0" is not an IPv4 address'],
  ])('%s is refused', (text, message) => {
    expect(refusal(parseAddressWithPrefix(text))).toBe(message);
  });

  test.each([
    ['10.99.0.0/24', 'network'],
    ['10.99.0.255/24', 'broadcast'],
    ['10.99.0.100/24', null],
    ['10.99.0.100/32', null],
    ['10.99.0.101/31', null],
    ['fd00::/64', null],
  ])('%s is its network: %s', (text, kind) => {
    const result = parseAddressWithPrefix(text);
    expect(result.ok && networkOrBroadcast(result.value)).toBe(kind);
  });
});

describe('an endpoint', () => {
  test.each([
    ['127.0.0.1:8694', null, '127.0.0.1', 8694],
    ['[fd00::1]:8694', null, 'fd00::1', 8694],
    ['fd00::1', 8694, 'fd00::1', 8694],
    ['10.99.0.3', 8694, '10.99.0.3', 8694],
  ])('%s with the default port %s is %s port %i', (text, defaultPort, address, port) => {
    expect(parseEndpoint(text, defaultPort)).toMatchObject({ ok: true, value: { address, port } });
  });

  test.each([
    ['127.0.0.1', '"127.0.0.1" has no port'],
    ['127.0.0.1:0', '"127.0.0.1:0" has no valid port'],
    ['127.0.0.1:65536', '"127.0.0.1:65536" has no valid port'],
    [':8694', '":8694" is not an address with a port'],
    ['localhost:8694', '"localhost" is not an address'],
  ])('%s without a default port is refused', (text, message) => {
    expect(refusal(parseEndpoint(text, null))).toBe(message);
  });
});

describe('an interface', () => {
  test.each(['eth0', 'bond0.100', 'enp3s0f1np1'])('%s is a name', (text) => {
    expect(parseInterfaceName(text)).toEqual({ ok: true, value: text });
  });

  test.each(['', '..', 'eth0:1', 'eth/0', 'eth 0', 'sixteen-letters-'])('%j is none', (text) => {
    expect(refusal(parseInterfaceName(text))).toMatch(/is not an interface's name/);
  });
});
