/** Which metrics a text names: rules, dashboards and scrapes alike. */

/** In the order of the alphabet, each once. */
export const metricNames = (text: string): readonly string[] =>
  [...new Set(text.match(/\b(?:vipd|process)_[a-z_]+\b/g) ?? [])].toSorted();
