/** The one key that both files share and that takes a text or a list. */

import { z } from 'zod';
import { absolutePath, list } from './fields.js';

/** A frame that proves false costs an HMAC for each key; a rotation needs two. */
const MAX_KEY_FILES = 4;

/** One path, or a list of them of which the first signs; read as a list. */
export const keyFile = () =>
  z
    .union([
      absolutePath(),
      list(absolutePath(), { min: 1, max: MAX_KEY_FILES, hint: `write one to ${MAX_KEY_FILES} paths` }),
    ])
    .transform((paths): readonly string[] => (typeof paths === 'string' ? [paths] : paths))
    .meta({ $comment: 'absolute path, or a list of them' });
