// The OpenAI SDK's responses against every kind of upstream; see asked.mjs.

import OpenAI from 'openai'
import { VERSION } from 'openai/version'
import { all, asked, distinct, keys, origin, tell, thrice } from './asked.mjs'

const client = (key = 'good') =>
  new OpenAI({ baseURL: `${origin}/v1`, apiKey: keys[key], maxRetries: 0, timeout: 30_000 })
const CLIENT = client()
const DECLARED = Object.entries(asked.TOOLS).map(([name, parameters]) => ({
  type: 'function',
  name,
  description: `The ${name}`,
  parameters,
  strict: true,
}))
const CITY_FORM = { format: { type: 'json_schema', name: 'city', schema: asked.CITY, strict: true } }
const EFFORT = { effort: 'medium', summary: 'auto' }

const ask = (model, input, more = {}) => CLIENT.responses.create({ model, input, store: false, ...more })
const calls = (reply) => reply.output.filter((item) => item.type === 'function_call')
const made = (reply) => calls(reply).map((call) => [call.name, call.arguments])
const results = (reply) =>
  calls(reply).map((call) => ({
    type: 'function_call_output',
    call_id: call.call_id,
    output: asked.RESULTS[call.name],
  }))
const reasoning = (reply) =>
  reply.output
    .filter((item) => item.type === 'reasoning')
    .flatMap((item) => item.summary)
    .map((part) => part.text)
    .join('')
const told = (reply) => ({
  text: reply.output_text,
  finish: reply.status,
  usage: [reply.usage.input_tokens, reply.usage.output_tokens],
})

async function text(model) {
  return told(await ask(model, asked.TEXT))
}

async function stream(model) {
  const events = await all(await ask(model, asked.LONG_CUE, { stream: true }))
  const said = events.filter((event) => event.type === 'response.output_text.delta').map((event) => event.delta)
  const last = events.at(-1).response
  return {
    text: said.join(''),
    pieces: said.length,
    finish: last.status,
    usage: [last.usage.input_tokens, last.usage.output_tokens],
  }
}

async function stream_gathered(model) {
  const runner = CLIENT.responses.stream({ model, input: asked.LONG_CUE, store: false })
  return told(await runner.finalResponse())
}

async function history(model) {
  const turns = asked.HISTORY.map(([role, content]) => ({ role, content }))
  return told(await ask(model, turns, { instructions: asked.SYSTEM }))
}

async function tools(model) {
  const input = [{ role: 'user', content: asked.TOOLS_CUE }]
  const first = await ask(model, input, { tools: DECLARED })
  const second = await ask(model, [...input, ...first.output, ...results(first)], { tools: DECLARED })
  return {
    calls: made(first),
    ids: distinct(calls(first).map((call) => call.call_id)),
    finish: first.status,
    answer: second.output_text,
  }
}

async function tools_stream(model) {
  const runner = CLIENT.responses.stream({ model, input: asked.TOOLS_CUE, tools: DECLARED, store: false })
  const reply = await runner.finalResponse()
  return { calls: made(reply), ids: distinct(calls(reply).map((call) => call.call_id)), finish: reply.status }
}

async function forced(model) {
  return made(await ask(model, 'Now.', { tools: DECLARED, tool_choice: { type: 'function', name: 'clock' } }))
}

async function structured(model) {
  const reply = await CLIENT.responses.parse({ model, input: asked.JSON_CUE, text: CITY_FORM, store: false })
  return reply.output_parsed ?? JSON.parse(reply.output_text)
}

async function thinking(model) {
  const more = {
    tools: DECLARED.slice(0, 1),
    reasoning: EFFORT,
    include: ['reasoning.encrypted_content'],
  }
  const input = [{ role: 'user', content: asked.THINK_CUE }]
  const first = await ask(model, input, more)
  const second = await ask(model, [...input, ...first.output, ...results(first)], more)
  return {
    reasoning: reasoning(first),
    calls: made(first),
    reasoning_after: reasoning(second),
    answer: second.output_text,
  }
}

async function state_tools(model) {
  const more = { model, tools: DECLARED.slice(0, 1), reasoning: EFFORT }
  const first = await CLIENT.responses.create({ ...more, input: asked.THINK_CUE })
  const second = await CLIENT.responses.create({
    ...more,
    input: results(first),
    previous_response_id: first.id,
  })
  return second.output_text
}

async function image(model) {
  const image_url = `data:image/png;base64,${asked.PNG}`
  const content = [
    { type: 'input_text', text: asked.IMAGE_CUE },
    { type: 'input_image', image_url },
  ]
  return (await ask(model, [{ role: 'user', content }])).output_text
}

async function length(model) {
  const reply = await ask(model, asked.LENGTH_CUE)
  return [reply.status, reply.incomplete_details?.reason]
}

async function count(model) {
  return (await CLIENT.responses.inputTokens.count({ model, input: asked.TEXT })).input_tokens
}

const refused = (key, question = asked.TEXT) => {
  const asking = client(key)
  return (model) => asking.responses.create({ model, input: question })
}
const cut = (word) => async (model) => {
  const events = await all(await ask(model, `[${word}] [long]`, { stream: true }))
  if (['response.failed', 'error'].includes(events.at(-1).type)) throw new OpenAI.APIError(undefined, {}, 'told')
}

await tell(
  VERSION,
  {
    text, stream, stream_gathered, history, tools, tools_stream, forced, structured, thinking, state_tools, image,
    length, count,
  },
  {
    key_wrong: refused('wrong'),
    model_unknown: () => refused('good')('no-such-model'),
    model_not_allowed: refused('narrow'),
    rate: thrice(refused('slow')),
    response_unknown: () => CLIENT.responses.retrieve('resp_0123456789abcdef'),
    upstream_400: refused('good', '[error-400] Say a few words.'),
    upstream_cut: cut('cut'),
    upstream_midstream: cut('error-midstream'),
    upstream_500: refused('good', '[error-500] Say a few words.'),
    upstream_429: refused('good', '[error-429] Say a few words.'),
  },
)
