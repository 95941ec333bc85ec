// Panels: the tables of alerts, plugins and lanes.

import { keyed, make, setData, setHidden, setText } from './dom.js';
import { bytes, fixed, short, span } from './format.js';
import { known, t } from './words.js';

const cell = (className = '') => make('td', { className });
const row = (classes) => make('tr', {}, ...classes.map(cell));

/** Fills a row's cells with texts. */
function fill(node, texts) {
  texts.forEach((text, index) => {
    if (text !== null) setText(node.children[index], text);
  });
}

/** What state something is in: a word first, a colour besides. */
function setState(node, word, tone) {
  if (!node.firstChild) node.append(make('span', { className: 'tag' }));
  setText(node.firstChild, word);
  setData(node.firstChild, 'tone', tone);
}

const toneOf = (severity) => (severity === 1 || severity === 2 ? 'bad' : severity === 3 ? 'warn' : 'plain');

export class AlertsPanel {
  #parts;

  /** `parts`: openRows, openEmpty, recentRows, recentEmpty, count. */
  constructor(parts) { this.#parts = parts; }

  draw({ open, recent, open_count: count, raised }) {
    const { openRows, openEmpty, recentRows, recentEmpty, count: counted } = this.#parts;
    this.#fill(openRows, open);
    this.#fill(recentRows, recent);
    setHidden(openEmpty, open.length > 0);
    setHidden(openRows.parentNode, open.length === 0);
    setHidden(recentEmpty, recent.length > 0);
    setHidden(recentRows.parentNode, recent.length === 0);
    const more = count > open.length ? `, ${t('more', { count: fixed(count - open.length) })}` : '';
    setText(counted, `${fixed(open.length)}${more} · ${t('raised', { count: fixed(raised) })}`);
  }

  #fill(body, alerts) {
    keyed(body, alerts, (alert) => `${alert.sequence}/${alert.state}`, () => row(['', '', '', 'num', 'num', 'muted', 'wide']), (node, alert) => {
      setState(node.children[0], `${alert.severity || '?'} ${t(`sev${alert.severity}`)}`, alert.state === 'cleared' ? 'plain' : toneOf(alert.severity));
      setState(node.children[1], t(alert.state === 'raised' ? 'stateRaised' : 'stateCleared'), alert.state === 'raised' ? 'warn' : 'good');
      const name = node.children[2];
      if (!name.firstChild) name.append(make('b'), ' ', make('span', { className: 'muted' }));
      setText(name.firstChild, alert.name);
      setText(name.lastChild, alert.subject);
      fill(node, [null, null, null, short(alert.value), fixed(alert.tick), alert.by || t('engine'), alert.why]);
    });
  }
}

export class PluginsPanel {
  #parts;
  #act;

  /** `act(name, verb)` pauses or resumes. */
  constructor(parts, act) {
    this.#parts = parts;
    this.#act = act;
  }

  /** `rate(plugin)` is its milliseconds a tick over the last seconds, or null. */
  draw(plugins, rate) {
    const { rows, empty } = this.#parts;
    setHidden(empty, plugins.length > 0);
    setHidden(rows.parentNode, plugins.length === 0);
    keyed(rows, plugins, (plugin) => plugin.name, (plugin) => this.#row(plugin), (node, plugin) => {
      const ms = rate(plugin) ?? plugin.ms_per_tick;
      setState(node.children[1], known(plugin.state), { running: 'good', paused: 'warn', stopped: 'bad' }[plugin.state] ?? 'plain');
      fill(node, [plugin.name, null, short(ms, 2), plugin.budget_ms === null ? t('anyBudget') : `${short(plugin.budget_ms)} ms`, bytes(plugin.memory_bytes), null]);
      setData(node.children[2], 'tone', plugin.budget_ms !== null && ms > plugin.budget_ms ? 'bad' : '');
      const errors = node.children[5];
      if (!errors.firstChild) errors.append(make('b', { className: 'num' }), ' ', make('span', { className: 'muted' }));
      setText(errors.firstChild, fixed(plugin.errors));
      setText(errors.lastChild, plugin.error ?? '');
      const button = node.children[6].firstChild;
      const verb = plugin.state === 'paused' ? 'resume' : 'pause';
      button.verb = verb;
      setText(button, t(verb));
      button.setAttribute('aria-label', t(`${verb}Name`, { name: plugin.name }));
      setHidden(button, plugin.state === 'stopped');
    });
  }

  #row(plugin) {
    const node = row(['strong', '', 'num', 'num', 'num', 'wide', '']);
    const button = make('button', { type: 'button', className: 'small' });
    button.addEventListener('click', () => this.#act(plugin.name, button.verb));
    node.lastChild.append(button);
    return node;
  }
}

export class LanesPanel {
  #rows;

  constructor(rows) { this.#rows = rows; }

  draw(lanes) {
    keyed(this.#rows, lanes, (lane) => lane.name, () => row(['strong', '', 'wide', ...Array(7).fill('num')]), (node, lane) => {
      setState(node.children[1], t(lane.away === null ? 'up' : 'away'), lane.away === null ? 'good' : 'bad');
      const where = node.children[2];
      if (!where.firstChild) where.append(make('code'), ' ', make('span', { className: 'muted' }));
      setText(where.firstChild, lane.url);
      const past = lane.outages ? t('outages', { count: fixed(lane.outages), span: span(lane.away_seconds) }) : '';
      setText(where.lastChild, [lane.away, past].filter(Boolean).join(' · '));
      const spool = lane.spooled ? `${fixed(lane.spooled)} · ${bytes(lane.spool_bytes)}` : '0';
      fill(node, [lane.name, null, null, fixed(lane.sent), fixed(lane.waiting), fixed(lane.dropped), fixed(lane.lost), fixed(lane.lag), fixed(lane.pending), spool]);
      for (const [index, count] of [[5, lane.dropped], [6, lane.lost]]) setData(node.children[index], 'tone', count ? 'bad' : '');
    });
  }
}
