// A client of CoreC's streams: messages to bytes and back, sent and read. docs/wire-format.md has every byte.
import { createClient, RESP_TYPES } from 'redis'
import * as frames from './frame.js'

/** The bytes of a message: a record { id, channel, value, active }, a frame, or any object as JSON. */
export function encode(form, it) {
  if (form === 'frame') return frames.encode({ ...it, columns: it.columns.map(c => ({ ...c, values: Buffer.from(c.hex, 'hex') })) })
  if (form === 'json') return Buffer.from(JSON.stringify(it))
  const bytes = Buffer.alloc(10)
  bytes.writeUInt32BE(it.id), bytes.writeInt8(it.channel, 4), bytes.writeFloatBE(it.value, 5), bytes.writeUInt8(+it.active, 9)
  return bytes
}

/** The message in bytes; of a frame's columns the values are hex digits. */
export function decode(form, data) {
  if (form === 'json') return JSON.parse(data)
  if (form === 'record' && data.length === 10) return { id: data.readUInt32BE(0), channel: data.readInt8(4), value: data.readFloatBE(5), active: data[9] === 1 }
  const it = frames.decode(data)
  return { ...it, columns: it.columns.map(({ name, size, values }) => ({ name, size, hex: values.toString('hex') })) }
}

export const connect = async url =>
  (await createClient({ url }).connect()).withTypeMapping({ [RESP_TYPES.BLOB_STRING]: Buffer })

export const send = (server, stream, form, it) => server.xAdd(stream, '*', { data: encode(form, it) })

/** Each entry from the one after `after` on, and waits for more: its place (keep it, to go on from there), id, message. */
export async function * read(server, stream, form, after = '0-0') {
  for (;;) {
    for (const { messages } of await server.xRead({ key: stream, id: after }, { COUNT: 100, BLOCK: 1000 }) ?? []) {
      for (const { id, message } of messages) yield { at: after = String(id), id: String(message.id ?? ''), message: decode(form, message.data) }
    }
  }
}
