/** Reads what `tcpdump -i any -w -` writes: pcap-savefile(5) records with LINUX_SLL2 headers, piece by piece. */

/** One packet as one port of the switch saw it. */
export interface PortPacket {
  /** Unix time in milliseconds, from the kernel's clock. */
  readonly atMs: number;
  /** Came in from the host behind the port, or went out to it. */
  readonly direction: 'in' | 'out';
  /** Hardware address of the sender. */
  readonly mac: string;
  readonly etherType: number;
  /** From the network layer's header on. */
  readonly bytes: Buffer;
}

export interface PcapReader {
  push(chunk: Buffer): void;
}

const FILE_HEADER_BYTES = 24;
const RECORD_HEADER_BYTES = 16;
/** Microseconds, in the byte order of the machine that wrote it. */
const MAGIC = 0xa1_b2_c3_d4;
const NETWORK_AT = 20;
/** https://www.tcpdump.org/linktypes/LINKTYPE_LINUX_SLL2.html */
const LINKTYPE_LINUX_SLL2 = 276;
const SLL2_BYTES = 20;
const PACKET_TYPE_AT = 10;
const ADDRESS_LENGTH_AT = 11;
const ADDRESS_AT = 12;
const OUTGOING = 4;

/** @throws Error where the stream is not of that kind. */
const checkFileHeader = (header: Buffer): void => {
  if (header.readUInt32LE(0) !== MAGIC) throw new Error('not a little-endian pcap stream with microseconds');
  const linkType = header.readUInt32LE(NETWORK_AT);
  if (linkType !== LINKTYPE_LINUX_SLL2) throw new Error(`link type ${linkType} instead of LINUX_SLL2`);
};

const macText = (bytes: Buffer): string => [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join(':');

const parseSll2 = (atMs: number, packet: Buffer): PortPacket => ({
  atMs,
  direction: packet.readUInt8(PACKET_TYPE_AT) === OUTGOING ? 'out' : 'in',
  mac: macText(packet.subarray(ADDRESS_AT, ADDRESS_AT + packet.readUInt8(ADDRESS_LENGTH_AT))),
  etherType: packet.readUInt16BE(0),
  bytes: packet.subarray(SLL2_BYTES),
});

export const createPcapReader = (onPacket: (packet: PortPacket) => void): PcapReader => {
  let rest: Buffer = Buffer.alloc(0);
  let begun = false;

  /** Null: more bytes are needed. */
  const takeRecord = (): Buffer | null => {
    if (rest.length < RECORD_HEADER_BYTES) return null;
    const end = RECORD_HEADER_BYTES + rest.readUInt32LE(8);
    if (rest.length < end) return null;
    const record = rest.subarray(0, end);
    rest = rest.subarray(end);
    return record;
  };

  return {
    push: (chunk) => {
      rest = Buffer.concat([rest, chunk]);
      if (!begun) {
        if (rest.length < FILE_HEADER_BYTES) return;
        checkFileHeader(rest);
        rest = rest.subarray(FILE_HEADER_BYTES);
        begun = true;
      }
      for (let record = takeRecord(); record !== null; record = takeRecord()) {
        const atMs = record.readUInt32LE(0) * 1_000 + record.readUInt32LE(4) / 1_000;
        onPacket(parseSll2(atMs, record.subarray(RECORD_HEADER_BYTES)));
      }
    },
  };
};
