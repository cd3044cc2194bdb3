// The Anthropic SDK against every kind of upstream; see asked.mjs.

import Anthropic from '@anthropic-ai/sdk'
import { VERSION } from '@anthropic-ai/sdk/version'
import { all, asked, distinct, keys, origin, tell, thrice } from './asked.mjs'

const client = (key = 'good') =>
  new Anthropic({ baseURL: origin, apiKey: keys[key], maxRetries: 0, timeout: 30_000 })
const CLIENT = client()
const DECLARED = Object.entries(asked.TOOLS).map(([name, input_schema]) => ({
  name,
  description: `The ${name}`,
  input_schema,
}))
const THINKING = { type: 'enabled', budget_tokens: asked.BUDGET_TOKENS }
const CITY_FORM = { format: { type: 'json_schema', schema: asked.CITY } }

const user = (content) => [{ role: 'user', content }]
const body = (model, messages, more = {}) => ({ model, messages, max_tokens: asked.OUTPUT_TOKENS, ...more })
const ask = (model, messages, more) => CLIENT.messages.create(body(model, messages, more))
const of = (reply, type) => reply.content.filter((block) => block.type === type)
const said = (reply) => of(reply, 'text').map((block) => block.text).join('')
const reasoning = (reply) => of(reply, 'thinking').map((block) => block.thinking).join('')
const made = (reply) => of(reply, 'tool_use').map((call) => [call.name, call.input])
const results = (reply) =>
  user(
    of(reply, 'tool_use').map((call) => ({
      type: 'tool_result',
      tool_use_id: call.id,
      content: asked.RESULTS[call.name],
    })),
  )
const told = (reply) => ({
  text: said(reply),
  finish: reply.stop_reason,
  usage: [reply.usage.input_tokens, reply.usage.output_tokens],
})

async function text(model) {
  return told(await ask(model, user(asked.TEXT)))
}

async function stream(model) {
  let pieces = 0
  const runner = CLIENT.messages.stream(body(model, user(asked.LONG_CUE))).on('text', () => pieces++)
  return { ...told(await runner.finalMessage()), pieces }
}

async function history(model) {
  const turns = asked.HISTORY.map(([role, content]) => ({ role, content }))
  return told(await ask(model, turns, { system: asked.SYSTEM }))
}

async function tools(model) {
  const messages = user(asked.TOOLS_CUE)
  const first = await ask(model, messages, { tools: DECLARED })
  messages.push({ role: 'assistant', content: first.content }, ...results(first))
  const second = await ask(model, messages, { tools: DECLARED })
  return {
    calls: made(first),
    ids: distinct(of(first, 'tool_use').map((call) => call.id)),
    finish: first.stop_reason,
    answer: said(second),
  }
}

async function tools_stream(model) {
  const reply = await CLIENT.messages.stream(body(model, user(asked.TOOLS_CUE), { tools: DECLARED })).finalMessage()
  const ids = distinct(of(reply, 'tool_use').map((call) => call.id))
  return { calls: made(reply), ids, finish: reply.stop_reason }
}

async function forced(model) {
  const more = { tools: DECLARED, tool_choice: { type: 'tool', name: 'clock' } }
  return made(await ask(model, user('Now.'), more))
}

async function structured(model) {
  return JSON.parse(said(await ask(model, user(asked.JSON_CUE), { output_config: CITY_FORM })))
}

async function thinking(model) {
  const more = { tools: DECLARED.slice(0, 1), thinking: THINKING }
  const messages = user(asked.THINK_CUE)
  const first = await ask(model, messages, more)
  messages.push({ role: 'assistant', content: first.content }, ...results(first))
  const second = await ask(model, messages, more)
  return {
    reasoning: reasoning(first),
    calls: made(first),
    reasoning_after: reasoning(second),
    answer: said(second),
  }
}

async function thinking_stream(model) {
  const more = { thinking: THINKING }
  const reply = await CLIENT.messages.stream(body(model, user(asked.THINK_ONLY), more)).finalMessage()
  return { reasoning: reasoning(reply), text: said(reply) }
}

async function image(model) {
  const source = { type: 'base64', media_type: 'image/png', data: asked.PNG }
  const parts = [
    { type: 'text', text: asked.IMAGE_CUE },
    { type: 'image', source },
  ]
  return said(await ask(model, user(parts)))
}

async function length(model) {
  return (await ask(model, user(asked.LENGTH_CUE))).stop_reason
}

async function count(model) {
  return (await CLIENT.messages.countTokens({ model, messages: user(asked.TEXT) })).input_tokens
}

async function models(model) {
  const listed = await all(CLIENT.models.list({ limit: 1000 }))
  return [listed.some((found) => found.id === model), (await CLIENT.models.retrieve(model)).id]
}

const refused = (key, question = asked.TEXT) => {
  const asking = client(key)
  return (model) => asking.messages.create(body(model, user(question)))
}
const cut = (word) => (model) => CLIENT.messages.stream(body(model, user(`[${word}] [long]`))).finalMessage()

await tell(
  VERSION,
  {
    text, stream, history, tools, tools_stream, forced, structured, thinking, thinking_stream, image, length, count,
    models,
  },
  {
    key_wrong: refused('wrong'),
    model_unknown: () => refused('good')('no-such-model'),
    model_not_allowed: refused('narrow'),
    rate: thrice(refused('slow')),
    upstream_400: refused('good', '[error-400] Say a few words.'),
    upstream_cut: cut('cut'),
    upstream_midstream: cut('error-midstream'),
    upstream_500: refused('good', '[error-500] Say a few words.'),
    upstream_429: refused('good', '[error-429] Say a few words.'),
  },
)
