import { describe, expect, it } from 'vitest';
import { createPcapReader, type PortPacket } from './pcap.js';
import { bearsVip } from './vip-packet.js';

const VIPS = ['10.99.0.100', 'fd99::100'];
const MAC = '02:99:00:00:00:01';

const packet = (etherType: number, hex: string): PortPacket => ({
  atMs: 0,
  direction: 'in',
  mac: MAC,
  etherType,
  bytes: Buffer.from(hex.replaceAll(' ', ''), 'hex'),
});

const ipv4 = (source: string, flags: string, data = ''): PortPacket => {
  const length = (40 + data.length / 2).toString(16).padStart(4, '0');
  const header = `4500${length} 0000 4000 40 06 0000 ${source} 0a63000a`;
  return packet(0x0800, `${header} 0cea9c40 00000001 00000001 50${flags} 2000 0000 0000 ${data}`);
};

const arp = (operation: string, sender: string): PortPacket =>
  packet(0x0806, `0001 0800 06 04 ${operation} 029900000001 ${sender} 000000000000 0a630064`);

const advertisement = (target: string): PortPacket =>
  packet(
    0x86dd,
    `60000000 0018 3aff fe80000000000000009900fffe000001 ff020000000000000000000000000001 8800 0000 20000000 ${target}`,
  );

describe('a packet that bears the VIP', () => {
  it('has it as its source', () => {
    expect(bearsVip(ipv4('0a630064', '18', 'aabb'), VIPS)).toBe(
      'tcp 10.99.0.100 port 3306 > 10.99.0.10 port 40000, 22 bytes',
    );
    expect(bearsVip(ipv4('0a630001', '18', 'aabb'), VIPS)).toBeNull();
  });

  it('is not a reset without data, which the guard lets out; one with data is', () => {
    expect(bearsVip(ipv4('0a630064', '14'), VIPS)).toBeNull();
    expect(bearsVip(ipv4('0a630064', '14', 'aa'), VIPS)).not.toBeNull();
  });

  it('says by ARP or by a neighbour advertisement who has it, and does not only ask', () => {
    expect(bearsVip(arp('0001', '0a630064'), VIPS)).toBe(`arp request: 10.99.0.100 is at ${MAC}`);
    expect(bearsVip(arp('0002', '0a630064'), VIPS)).toBe(`arp reply: 10.99.0.100 is at ${MAC}`);
    expect(bearsVip(arp('0001', '00000000'), VIPS)).toBeNull();
    const vip6 = 'fd990000000000000000000000000100';
    expect(bearsVip(advertisement(vip6), VIPS)).toBe(`neighbour advertisement: fd99::100 is at ${MAC}`);
    expect(bearsVip(advertisement('fd990000000000000000000000000001'), VIPS)).toBeNull();
  });
});

describe('a pcap stream', () => {
  const word = (value: number): Buffer => {
    const bytes = Buffer.alloc(4);
    bytes.writeUInt32LE(value);
    return bytes;
  };
  const stream = (linkType: number): Buffer => {
    const sll2 = Buffer.from(
      `0806 0000 00000007 0001 04 06 ${MAC.replaceAll(':', '')} 0000`.replaceAll(' ', ''),
      'hex',
    );
    const data = Buffer.concat([sll2, Buffer.from('cafe', 'hex')]);
    const head = [0xa1b2c3d4, 0x00040002, 0, 0, 262_144, linkType].map(word);
    const record = [1_000, 500_000, data.length, data.length].map(word);
    return Buffer.concat([...head, ...record, data, ...record, data]);
  };

  it('is read whole however it is cut into pieces', () => {
    const seen: PortPacket[] = [];
    const reader = createPcapReader((one) => seen.push(one));
    for (const byte of stream(276)) reader.push(Buffer.from([byte]));
    const expected = {
      atMs: 1_000_500,
      direction: 'out',
      mac: MAC,
      etherType: 0x0806,
      bytes: Buffer.from('cafe', 'hex'),
    };
    expect(seen).toEqual([expected, expected]);
  });

  it('of another link type is refused', () => {
    expect(() => createPcapReader(() => undefined).push(stream(1))).toThrow('link type 1 instead of LINUX_SLL2');
  });
});
