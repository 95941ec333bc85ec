// The client as a program: decode FORM | encode FORM | send URL STREAM FORM | read URL STREAM FORM [COUNT], FORM being record,
// frame or json; messages are lines of JSON on stdin and stdout, of decode and encode one in bytes.
import { readFileSync } from 'node:fs'
import { connect, decode, encode, read, send } from './client.js'

// A 64-bit number that a double can't hold is text.
const plain = (_, v) => typeof v !== 'bigint' ? v : v <= Number.MAX_SAFE_INTEGER ? Number(v) : String(v)
const show = it => console.log(JSON.stringify(it, plain))
const input = () => readFileSync(0)
const [command, ...rest] = process.argv.slice(2)

if (command === 'decode') {
  show(decode(rest[0], input()))
} else if (command === 'encode') {
  process.stdout.write(encode(rest[0], JSON.parse(input())))
} else if (command === 'send' || command === 'read') {
  const [url, stream, form, count = Infinity] = rest
  const server = await connect(url)
  if (command === 'send') {
    for (const line of String(input()).split('\n').filter(Boolean)) await send(server, stream, form, JSON.parse(line))
  } else {
    let left = Number(count)
    for await (const entry of read(server, stream, form)) {
      show(entry)
      if (--left <= 0) break
    }
  }
  server.destroy()
} else {
  console.error('decode FORM | encode FORM | send URL STREAM FORM | read URL STREAM FORM [COUNT]')
  process.exit(2)
}
