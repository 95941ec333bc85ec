// Controls: buttons, keys and dialogs of the page; what they do is given from outside.

import { byId, memory, setHidden, setText } from './dom.js';
import { switchLanguage, t, translate } from './words.js';

const THEME = 'corec.theme';
const METRIC = 'corec.metric';
const THEMES = ['auto', 'dark', 'light'];
const NOTICE_MS = 6000;

export class Controls {
  #do;
  #theme = THEMES.includes(memory.get(THEME)) ? memory.get(THEME) : 'auto';
  #isPaused = false;
  #noticed = 0;

  /** `actions`: pause(), metric(number), fit(bool), look(), words(), back(). */
  constructor(actions) {
    this.#do = actions;
    this.#showTheme();
    byId('pause').addEventListener('click', () => actions.pause());
    byId('theme').addEventListener('click', () => this.#nextTheme());
    byId('language').addEventListener('click', () => this.#nextLanguage());
    byId('block-back').addEventListener('click', () => actions.back());
    byId('metric').addEventListener('change', () => this.#metric(Number(byId('metric').value)));
    byId('fit').addEventListener('change', () => actions.fit(byId('fit').checked));
    byId('help').addEventListener('click', () => byId('help-dialog').showModal());
    byId('help-close').addEventListener('click', () => byId('help-dialog').close());
    matchMedia('(prefers-color-scheme: light)').addEventListener('change', () => actions.look());
    document.addEventListener('keydown', (event) => this.#key(event));
    const kept = Number(memory.get(METRIC) ?? 0);
    queueMicrotask(() => this.#metric(kept >= 0 && kept <= 4 ? kept : 0));
  }

  #metric(metric) {
    byId('metric').value = String(metric);
    memory.set(METRIC, String(metric));
    this.#do.metric(metric);
  }

  #key(event) {
    const { key, target } = event;
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || document.querySelector('dialog[open]')) return;
    const isTyping = target.closest?.('input, select, textarea') !== null;
    if (key === 'Escape') this.#do.back();
    else if (isTyping) return;
    else if (key === '?') byId('help-dialog').showModal();
    else if (key >= '1' && key <= '5' && key.length === 1) this.#metric(Number(key) - 1);
    // On a button the space key is the button's.
    else if (key === ' ' && !target.closest('button, summary, a')) this.#do.pause();
    else return;
    event.preventDefault();
  }

  #nextTheme() {
    this.#theme = THEMES[(THEMES.indexOf(this.#theme) + 1) % THEMES.length];
    memory.set(THEME, this.#theme);
    this.#showTheme();
    this.#do.look();
  }

  #showTheme() {
    if (this.#theme === 'auto') delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = this.#theme;
    setText(byId('theme'), t({ auto: 'themeAuto', dark: 'themeDark', light: 'themeLight' }[this.#theme]));
  }

  #nextLanguage() {
    switchLanguage();
    translate();
    this.#showTheme();
    this.showPaused(this.#isPaused);
    this.#do.words();
  }

  showPaused(isPaused) {
    this.#isPaused = isPaused;
    byId('pause').setAttribute('aria-pressed', String(isPaused));
    setText(byId('pause'), t(isPaused ? 'resumeView' : 'pauseView'));
  }

  notice(text) {
    clearTimeout(this.#noticed);
    setText(byId('notice'), text);
    setHidden(byId('notice'), false);
    this.#noticed = setTimeout(() => setHidden(byId('notice'), true), NOTICE_MS);
  }

  /** Asks for the token; null if the person would rather not. */
  demandToken(refused) {
    const [dialog, input] = [byId('token-dialog'), byId('token')];
    setHidden(byId('token-refused'), !refused);
    input.value = '';
    return new Promise((resolve) => {
      const asked = new AbortController();
      const answer = (value) => {
        asked.abort();
        input.value = '';
        dialog.close();
        resolve(value);
      };
      const on = (node, type, act) => node.addEventListener(type, act, { signal: asked.signal });
      // The form only makes it one for password managers and the Enter key: it is never sent.
      on(byId('token-form'), 'submit', (event) => { event.preventDefault(); answer(input.value.trim() || null); });
      on(byId('token-cancel'), 'click', () => answer(null));
      on(dialog, 'cancel', () => answer(null));
      dialog.showModal();
      input.focus();
    });
  }
}
