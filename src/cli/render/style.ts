/** Colours for a terminal; plain text everywhere else. A colour only underlines what a word already says. */

export type Tone = 'plain' | 'good' | 'bad' | 'caution' | 'heading' | 'faint';

export interface Style {
  readonly paint: (tone: Tone, text: string) => string;
}

/** ECMA-48 section 8.3.117, Select Graphic Rendition. */
const SGR = {
  plain: '',
  good: '\x1b[32m',
  bad: '\x1b[1;31m',
  caution: '\x1b[33m',
  heading: '\x1b[1m',
  faint: '\x1b[2m',
} as const satisfies Record<Tone, string>;

const RESET = '\x1b[0m';

export const plainStyle: Style = { paint: (_tone, text) => text };

export const colourStyle: Style = {
  paint: (tone, text) => (tone === 'plain' || text === '' ? text : `${SGR[tone]}${text}${RESET}`),
};

/** Colours on a terminal that can show them, unless NO_COLOR is set and not empty (no-color.org). */
export const chooseStyle = (isTerminal: boolean, environment: NodeJS.ProcessEnv): Style => {
  const refused = (environment.NO_COLOR ?? '') !== '' || environment.TERM === 'dumb';
  return isTerminal && !refused ? colourStyle : plainStyle;
};
