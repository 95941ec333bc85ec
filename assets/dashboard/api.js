// The API: questions to the engine, and the token for what changes something.

import { memory } from './dom.js';

const ROOT = '/api/v1/';
const TOKEN = 'corec.token';

/** An answer that is none; `status` is 0 when nothing answered. */
export class ApiError extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

async function ask(path, options) {
  let response;
  try {
    response = await fetch(ROOT + path, { cache: 'no-store', ...options });
  } catch (error) {
    throw new ApiError(0, error.message);
  }
  const body = await response.json().catch(() => ({}));
  if (!response.ok) throw new ApiError(response.status, body.error ?? `${response.status} ${response.statusText}`);
  return body;
}

export const streamUrl = (hz) => `${ROOT}stream?hz=${hz}`;
export const layout = () => ask('layout');
export const alerts = () => ask('alerts');
export const block = (id) => ask(`blocks/${id}`);

// The token lives as long as the tab does: another person at the same machine must give it again.
let token = memory.get(TOKEN, 'sessionStorage');

/**
 * Pauses or resumes a plugin. `demand(refused)` is asked for the token when there is none or it was refused, and gives null
 * when the person thinks better of it; the answer is null then.
 */
export async function switchPlugin(name, verb, demand) {
  let refused = false;
  for (;;) {
    token ??= await demand(refused);
    if (!token) {
      token = null;
      return null;
    }
    try {
      const done = await ask(`plugins/${encodeURIComponent(name)}/${verb}`, {
        method: 'POST',
        headers: { Authorization: `Bearer ${token}` },
      });
      memory.set(TOKEN, token, 'sessionStorage');
      return done;
    } catch (error) {
      if (error.status !== 401) throw error;
      token = null;
      refused = true;
      memory.set(TOKEN, null, 'sessionStorage');
    }
  }
}
