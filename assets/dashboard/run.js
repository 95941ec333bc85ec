// Run: the key figures on top, and what the run is.

import { byId, keyed, make, setData, setText } from './dom.js';
import { bytes, fixed, percent, short, span } from './format.js';
import { t } from './words.js';

const figure = (name) => ({ node: byId(`f-${name}`), value: byId(`f-${name}`).querySelector('dd'), note: byId(`f-${name}`).querySelector('.note') });
const NAMES = ['tick', 'rate', 'p95', 'misses', 'entities', 'fitness', 'faults', 'repairs', 'alerts', 'memory'];

/** The key figures: those of a frame ten times a second, their notes with each summary. */
export class Figures {
  #at = Object.fromEntries(NAMES.map((name) => [name, figure(name)]));

  drawFrame({ numbers }, rings) {
    const texts = {
      tick: fixed(numbers[0]), rate: fixed(numbers[3], numbers[3] < 100 ? 1 : 0), p95: `${short(numbers[5])} ms`, misses: fixed(numbers[7]),
      entities: fixed(numbers[2]), fitness: fixed(numbers[8], 3), faults: short(rings.last('faults')), repairs: short(rings.last('repairs')),
      alerts: fixed(numbers[11]), memory: bytes(numbers[12]),
    };
    for (const name of NAMES) setText(this.#at[name].value, texts[name]);
    setData(this.#at.alerts.node, 'tone', numbers[11] > 0 ? 'bad' : '');
    setData(this.#at.misses.node, 'tone', rings.last('misses') > 0 ? 'warn' : '');
    setText(this.#at.misses.note, t('missesRate', { rate: short(rings.last('misses')) }));
  }

  drawSummary(summary) {
    const budget = summary.tick_rate ? 1e3 / summary.tick_rate : null;
    const notes = {
      tick: summary.ticks_to_do ? t('ofTicks', { ticks: (summary.ticks_to_do < 1e7 ? fixed : short)(summary.ticks_to_do) }) : '',
      rate: summary.tick_rate ? t('target', { rate: fixed(summary.tick_rate, summary.tick_rate % 1 ? 1 : 0) }) : t('noTarget'),
      p95: budget ? t('ofBudget', { share: percent(summary.tick_ms.p95 / budget, 0), ms: short(budget) }) : `max ${short(summary.tick_ms.max)} ms`,
      entities: t('inBlocks', { blocks: fixed(summary.blocks) }),
      faults: t('total', { count: short(summary.faults) }),
      repairs: t('total', { count: short(summary.repairs) }),
      alerts: t('raised', { count: fixed(summary.alerts.raised) }),
      memory: t('perEntity', { bytes: bytes(summary.memory.bytes_per_entity) }),
      fitness: `${t('flags', { count: fixed(summary.flags) })}`,
    };
    for (const name in notes) setText(this.#at[name].note, notes[name]);
  }
}

/** What the run is, name by name. */
export class RunPanel {
  #list;

  constructor(list) { this.#list = list; }

  draw(summary) {
    const { run, digest, snapshot, journal } = summary;
    const age = snapshot.age_seconds === null ? t('never') : `${t('ago', { span: span(snapshot.age_seconds) })}, ${t('atTick', { tick: fixed(snapshot.tick) })}, ${bytes(snapshot.bytes)}`;
    const facts = [
      ['scenario', run.scenario], ['instance', run.instance], ['seed', String(run.seed)], ['version', run.version], ['threads', fixed(run.threads)],
      ['uptime', run.started_unix ? span(Math.max(0, Date.now() / 1e3 - run.started_unix)) : '–'],
      ['digest', digest ? `${digest.value} ${t('atTick', { tick: fixed(digest.tick) })}` : t('never'), true],
      ['snapshot', snapshot.error ? `${age} · ${snapshot.error}` : age, false, snapshot.error ? 'bad' : ''],
      ['journal', `${bytes(journal.bytes)}, ${t('records', { count: fixed(journal.records) })}`],
      ['messages', `${fixed(summary.messages)}, ${t('refused', { refused: fixed(summary.messages_refused), lost: fixed(summary.messages_lost) })}`],
      ['audits', fixed(summary.audits)], ['births', fixed(summary.births_refused)], ['runId', run.id || '–', true], ['folder', run.folder, true],
    ];
    keyed(this.#list, facts, ([name]) => name, () => make('div', {}, make('dt'), make('dd')), (node, [name, text, isCode, tone]) => {
      setText(node.firstChild, t(name));
      setText(node.lastChild, text);
      node.lastChild.className = isCode ? 'code' : '';
      setData(node.lastChild, 'tone', tone ?? '');
    });
  }
}
