// Numbers as text, in the language of the page.

import { language } from './words.js';

const NONE = '–';
const formats = new Map();

function format(digits, significant) {
  const key = `${language()}/${digits}/${significant}`;
  let found = formats.get(key);
  if (!found) {
    const options = significant ? { maximumSignificantDigits: digits } : { minimumFractionDigits: digits, maximumFractionDigits: digits };
    // Four digits get their separator too: a tick that passes 9,999 must not change its shape.
    found = new Intl.NumberFormat(language(), { ...options, useGrouping: 'always' });
    formats.set(key, found);
  }
  return found;
}

const isNumber = (value) => typeof value === 'number' && Number.isFinite(value);

/** With a fixed count of decimals. */
export const fixed = (value, digits = 0) => (isNumber(value) ? format(digits, false).format(value) : NONE);

/** Short: as many digits as tell something. */
export function short(value, digits = 3) {
  if (!isNumber(value)) return NONE;
  const size = Math.abs(value);
  if (size >= 1e9) return `${format(digits, true).format(value / 1e9)} G`;
  if (size >= 1e6) return `${format(digits, true).format(value / 1e6)} M`;
  if (size >= 1e4) return `${format(digits, true).format(value / 1e3)} k`;
  if (size >= 100) return fixed(value, 0);
  return format(digits, true).format(value);
}

/** Bytes in the largest binary unit that fits. */
export function bytes(value) {
  if (!isNumber(value)) return NONE;
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${fixed(value, unit === 0 || value >= 100 ? 0 : 1)} ${units[unit]}`;
}

/** A share of one as a percentage. */
export const percent = (share, digits = 1) => (isNumber(share) ? `${fixed(share * 100, digits)} %` : NONE);

/** Seconds as the two largest of days, hours, minutes, seconds. */
export function span(seconds) {
  if (!isNumber(seconds)) return NONE;
  if (seconds < 60) return `${fixed(seconds, seconds < 10 ? 1 : 0)} s`;
  const whole = Math.floor(seconds);
  const [days, hours, minutes] = [Math.floor(whole / 86400), Math.floor(whole / 3600) % 24, Math.floor(whole / 60) % 60];
  if (days) return `${days} d ${hours} h`;
  return hours ? `${hours} h ${minutes} min` : `${minutes} min ${whole % 60} s`;
}

/** The time of day of seconds since 1970. */
export function clock(seconds) {
  const at = new Date(seconds * 1e3);
  return [at.getHours(), at.getMinutes(), at.getSeconds()].map((part) => String(part).padStart(2, '0')).join(':');
}
