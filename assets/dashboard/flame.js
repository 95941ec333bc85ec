// Flame: where the time of a tick goes, phases and their systems below them, as wide as what they take.

import { keyed, make, setHidden, setText } from './dom.js';
import { percent, short } from './format.js';
import { t } from './words.js';

/** The engine's phases, in the order of a tick; Bevy's own schedules come behind. */
const PHASES = ['ingest', 'process', 'measure', 'audit', 'repair', 'publish'];
/** Rates are over so many seconds at least, which a tick of another cost does not jolt. */
const OVER_S = 2;
const SLOWEST = 5;

const keyOf = ({ name, phase, plugin }) => `${phase}/${plugin ?? ''}/${name}`;
const brief = (name) => name.split('::').slice(-2).join('::');

export class Flame {
  #box;
  #status;
  #list;
  // Summaries that rates are from: the newest, and one that is OVER_S older.
  #past = [];
  #told = null;

  constructor({ box, status, list }) {
    this.#box = box;
    this.#status = status;
    this.#list = list;
    box.addEventListener('keydown', (event) => this.#key(event));
    box.addEventListener('pointerover', (event) => this.#tell(event.target.closest('.bar')));
    box.addEventListener('pointerleave', () => this.#tell(null));
    box.addEventListener('focusin', (event) => this.#tell(event.target.closest('.bar')));
    box.addEventListener('focusout', () => this.#tell(null));
  }

  reset() { this.#past = []; }

  /** Takes a summary in; drawing is separate, since a paused view still has to know what came. */
  take(summary) {
    const seconds = new Map(summary.systems.map((system) => [keyOf(system), system.seconds]));
    const now = { at: performance.now() / 1e3, tick: summary.tick, seconds, systems: summary.systems };
    if (this.#past.length && now.tick < this.#past.at(-1).tick) this.#past = [];
    this.#past.push(now);
    while (this.#past.length > 2 && now.at - this.#past[1].at >= OVER_S) this.#past.shift();
  }

  /** Milliseconds a tick of a plugin's systems, over the last seconds; null while not known. */
  ofPlugin(name) {
    const own = this.#past.at(-1)?.systems.filter((system) => system.plugin === name) ?? [];
    const isKnown = own.length > 0 && this.#past[0].tick < this.#past.at(-1).tick;
    return isKnown ? own.reduce((sum, system) => sum + this.#rate(keyOf(system)), 0) : null;
  }

  #rate(key) {
    const [first, last] = [this.#past[0], this.#past.at(-1)];
    const ticks = last.tick - first.tick;
    return ticks ? (((last.seconds.get(key) ?? 0) - (first.seconds.get(key) ?? 0)) * 1e3) / ticks : 0;
  }

  draw() {
    const phases = this.#phases();
    const whole = phases.reduce((sum, phase) => sum + phase.ms, 0);
    setHidden(this.#box, whole === 0);
    if (whole === 0) {
      setText(this.#status, t('noSystems'));
      setText(this.#list, '');
      return;
    }
    const bar = () => make('div', { className: 'bar', tabIndex: -1, role: 'img' }, make('span'));
    const fill = (node, { name, plugin, ms, isPhase }, total) => {
      const label = isPhase ? name : brief(name);
      setText(node.firstChild, label);
      node.style.width = `${(ms / total) * 100}%`;
      node.told = { name, plugin, ms, share: ms / whole, isPhase };
      node.setAttribute('aria-label', this.#say(node.told));
    };
    keyed(this.#box, phases, (phase) => phase.name, (phase) => {
      const index = PHASES.indexOf(phase.name);
      return make('div', { className: `phase p${index < 0 ? 6 : index}` }, bar(), make('div', { className: 'bars' }));
    }, (node, phase) => {
      node.style.width = `${(phase.ms / whole) * 100}%`;
      fill(node.firstChild, phase, phase.ms || 1);
      keyed(node.lastChild, phase.systems, (system) => system.key, bar, (child, system) => fill(child, system, phase.ms || 1));
    });
    if (!this.#box.querySelector('[tabindex="0"]')) this.#box.querySelector('.bar').tabIndex = 0;
    this.#slowest(phases, whole);
    this.#write();
  }

  #phases() {
    const last = this.#past.at(-1);
    const phases = new Map();
    for (const system of last?.systems ?? []) {
      const { name, phase, plugin } = system;
      const key = keyOf(system);
      const ms = this.#rate(key);
      if (!(ms > 0)) continue;
      const into = phases.get(phase) ?? { name: phase, ms: 0, systems: [], isPhase: true };
      into.ms += ms;
      into.systems.push({ key, name, plugin, ms });
      phases.set(phase, into);
    }
    const place = ({ name }) => (PHASES.includes(name) ? PHASES.indexOf(name) : PHASES.length);
    // By name within a phase: by cost they would change places all the time.
    for (const phase of phases.values()) phase.systems.sort((a, b) => (a.name < b.name ? -1 : 1));
    return [...phases.values()].sort((a, b) => place(a) - place(b) || (a.name < b.name ? -1 : 1));
  }

  #slowest(phases, whole) {
    const systems = phases.flatMap((phase) => phase.systems).sort((a, b) => b.ms - a.ms).slice(0, SLOWEST);
    keyed(this.#list, systems, (system) => system.key, () => make('li', {}, make('span'), make('b', { className: 'num' }), make('span', { className: 'num muted' })), (node, system) => {
      const [name, ms, share] = node.children;
      setText(name, brief(system.name));
      name.title = system.name;
      setText(ms, `${short(system.ms, 2)} ms`);
      setText(share, percent(system.ms / whole, 0));
    });
  }

  #say({ name, plugin, ms, share, isPhase }) {
    const whose = isPhase ? ` (${t('phase')})` : plugin ? ` (${t('ofPlugin', { name: plugin })})` : '';
    return `${name}${whose} · ${t('perTick', { ms: short(ms) })} · ${t('share', { share: percent(share) })}`;
  }

  #tell(node) {
    this.#told = node;
    this.#write();
  }

  #write() {
    setText(this.#status, this.#told?.told ? this.#say(this.#told.told) : t('flameHint'));
  }

  #key(event) {
    const bars = [...this.#box.querySelectorAll('.bar')];
    const at = bars.indexOf(document.activeElement);
    const steps = { ArrowLeft: -1, ArrowUp: -1, ArrowRight: 1, ArrowDown: 1 };
    if (at < 0 || !(event.key in steps)) return;
    event.preventDefault();
    const next = bars[Math.min(bars.length - 1, Math.max(0, at + steps[event.key]))];
    bars[at].tabIndex = -1;
    next.tabIndex = 0;
    next.focus();
  }
}
