// Stream: the connection to the engine, which comes back by itself.
//
// States: connecting, live, lost (trying again), stale (silent for too long, trying again), ended (the run is over, waiting
// for another one at the same address), hidden (nobody looks, so nothing is asked for).

import { streamUrl } from './api.js';

const HZ = 10;
/** A summary comes twice a second, so that silence for so long is a dead connection. */
const SILENCE_MS = 12_000;
const WATCH_MS = 1000;
const RETRY_MS = [500, 1000, 2000, 4000, 5000];
const RETRY_ENDED_MS = 2000;

export class Stream {
  state = 'connecting';
  /** How the run ended, when it has. */
  ended = null;
  #source = null;
  #timer = 0;
  #tries = 0;
  #heard = 0;
  #on;

  /** `on` has `frame(text)`, `summary(object)`, `state(state)`. */
  constructor(on) {
    this.#on = on;
  }

  start() {
    document.addEventListener('visibilitychange', () => this.#look());
    setInterval(() => this.#watch(), WATCH_MS);
    this.#look();
  }

  #look() {
    if (document.hidden) {
      this.#close();
      this.#set('hidden');
    } else if (!this.#source) {
      this.#tries = 0;
      this.#set(this.ended ? 'ended' : 'connecting');
      this.#open();
    }
  }

  #open() {
    this.#close();
    this.#heard = performance.now();
    const source = new EventSource(streamUrl(HZ));
    this.#source = source;
    source.addEventListener('summary', (event) => {
      const summary = JSON.parse(event.data);
      // A run that is over is shown once more by whoever reconnects to it, and is still over.
      if (!summary.ended) this.#alive();
      this.#on.summary(summary);
    });
    source.addEventListener('frame', (event) => {
      this.#heard = performance.now();
      this.#on.frame(event.data);
    });
    source.addEventListener('end', (event) => {
      this.ended = JSON.parse(event.data).ended;
      this.#set('ended');
      this.#retry(RETRY_ENDED_MS);
    });
    // The browser's own retry gives up at the first answer that is no stream, so it is done here in every case.
    source.addEventListener('error', () => {
      if (this.state !== 'ended') this.#set('lost');
      this.#retry(this.ended ? RETRY_ENDED_MS : this.#pause());
    });
  }

  #alive() {
    this.#heard = performance.now();
    this.#tries = 0;
    this.ended = null;
    this.#set('live');
  }

  #watch() {
    if (!this.#source || performance.now() - this.#heard < SILENCE_MS) return;
    if (this.state !== 'ended') this.#set('stale');
    this.#open();
  }

  #pause() {
    const pause = RETRY_MS[Math.min(this.#tries, RETRY_MS.length - 1)];
    this.#tries += 1;
    return pause;
  }

  #retry(after) {
    this.#close();
    this.#timer = setTimeout(() => this.#open(), after);
  }

  #close() {
    clearTimeout(this.#timer);
    this.#source?.close();
    this.#source = null;
  }

  #set(state) {
    if (state === this.state) return;
    this.state = state;
    this.#on.state(state);
  }
}
