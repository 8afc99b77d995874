/** How an answer is cut into frames: one byte of kind, four of length, then the body. */

/**
 * data: bytes of the answer; note: JSON beside them; end: JSON, the answer is complete; failed: JSON text, it is not;
 * alive: nothing to say yet.
 */
export type FrameKind = 'data' | 'note' | 'end' | 'failed' | 'alive';

export interface Frame {
  readonly kind: FrameKind;
  readonly body: Buffer;
}

const CODES = { data: 0x44, note: 0x4e, end: 0x45, failed: 0x46, alive: 0x41 } as const satisfies Record<
  FrameKind,
  number
>;
const KINDS: ReadonlyMap<number, FrameKind> = new Map(
  (Object.keys(CODES) as FrameKind[]).map((kind) => [CODES[kind], kind]),
);
const HEAD_BYTES = 5;
/** Longer data is cut by the sender; a longer frame is no frame. */
export const FRAME_MAX_BYTES = 262_144;

/** @throws Error where the body is longer than a frame may be. */
export const encodeFrame = (kind: FrameKind, body: Buffer): Buffer => {
  if (body.length > FRAME_MAX_BYTES) throw new Error(`a ${kind} frame of ${body.length} bytes is too long`);
  const frame = Buffer.allocUnsafe(HEAD_BYTES + body.length);
  frame.writeUInt8(CODES[kind], 0);
  frame.writeUInt32BE(body.length, 1);
  body.copy(frame, HEAD_BYTES);
  return frame;
};

export const encodeJson = (kind: 'note' | 'end' | 'failed', value: unknown): Buffer =>
  encodeFrame(kind, Buffer.from(JSON.stringify(value ?? null)));

/** Gives back whole frames as bytes come in; keeps less than one frame. */
export interface FrameReader {
  /** @throws Error for what cannot be a frame. */
  read(chunk: Buffer): readonly Frame[];
}

export const createFrameReader = (): FrameReader => {
  let rest: Buffer = Buffer.alloc(0);
  return {
    read: (chunk) => {
      rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
      const frames: Frame[] = [];
      while (rest.length >= HEAD_BYTES) {
        const kind = KINDS.get(rest.readUInt8(0));
        const length = rest.readUInt32BE(1);
        if (kind === undefined || length > FRAME_MAX_BYTES) throw new Error('what came is no answer of an agent');
        if (rest.length < HEAD_BYTES + length) break;
        frames.push({ kind, body: rest.subarray(HEAD_BYTES, HEAD_BYTES + length) });
        rest = rest.subarray(HEAD_BYTES + length);
      }
      return frames;
    },
  };
};

/** @throws Error where the body is not JSON. */
export const parseJson = (body: Buffer): unknown => JSON.parse(body.toString('utf8'));
