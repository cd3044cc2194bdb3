// The OpenAI SDK's chat completions against every kind of upstream; see asked.mjs.

import OpenAI from 'openai'
import { VERSION } from 'openai/version'
import { all, asked, distinct, keys, origin, tell, thrice } from './asked.mjs'

const client = (key = 'good') =>
  new OpenAI({ baseURL: `${origin}/v1`, apiKey: keys[key], maxRetries: 0, timeout: 30_000 })
const CLIENT = client()
const DECLARED = Object.entries(asked.TOOLS).map(([name, parameters]) => ({
  type: 'function',
  function: { name, description: `The ${name}`, parameters },
}))
const CITY_FORM = { type: 'json_schema', json_schema: { name: 'city', schema: asked.CITY, strict: true } }

const user = (content) => [{ role: 'user', content }]
const ask = (model, messages, more = {}) => CLIENT.chat.completions.create({ model, messages, ...more })
const made = (message) => (message.tool_calls ?? []).map((call) => [call.function.name, call.function.arguments])
const told = (reply) => ({
  text: reply.choices[0].message.content,
  finish: reply.choices[0].finish_reason,
  usage: [reply.usage.prompt_tokens, reply.usage.completion_tokens],
})

async function text(model) {
  return told(await ask(model, user(asked.TEXT)))
}

async function stream(model) {
  const more = { stream: true, stream_options: { include_usage: true } }
  const chunks = await all(await ask(model, user(asked.LONG_CUE), more))
  const choices = chunks.flatMap((chunk) => chunk.choices)
  const usage = chunks.find((chunk) => chunk.usage)?.usage
  const said = choices.map((choice) => choice.delta.content).filter(Boolean)
  return {
    text: said.join(''),
    pieces: said.length,
    finish: choices.find((choice) => choice.finish_reason)?.finish_reason,
    usage: usage && [usage.prompt_tokens, usage.completion_tokens],
  }
}

async function stream_gathered(model) {
  const runner = CLIENT.chat.completions.stream({
    model,
    messages: user(asked.LONG_CUE),
    stream_options: { include_usage: true },
  })
  return told(await runner.finalChatCompletion())
}

async function history(model) {
  const turns = asked.HISTORY.map(([role, content]) => ({ role, content }))
  return told(await ask(model, [{ role: 'system', content: asked.SYSTEM }, ...turns]))
}

async function tools(model) {
  const messages = user(asked.TOOLS_CUE)
  const first = await ask(model, messages, { tools: DECLARED })
  const { message, finish_reason } = first.choices[0]
  messages.push(message)
  for (const call of message.tool_calls ?? [])
    messages.push({ role: 'tool', tool_call_id: call.id, content: asked.RESULTS[call.function.name] })
  const second = await ask(model, messages, { tools: DECLARED })
  return {
    calls: made(message),
    ids: distinct((message.tool_calls ?? []).map((call) => call.id)),
    finish: finish_reason,
    answer: second.choices[0].message.content,
  }
}

async function tools_stream(model) {
  const runner = CLIENT.chat.completions.stream({ model, messages: user(asked.TOOLS_CUE), tools: DECLARED })
  const { message, finish_reason } = (await runner.finalChatCompletion()).choices[0]
  const ids = distinct((message.tool_calls ?? []).map((call) => call.id))
  return { calls: made(message), ids, finish: finish_reason }
}

async function forced(model) {
  const choice = { type: 'function', function: { name: 'clock' } }
  const reply = await ask(model, user('Now.'), { tools: DECLARED, tool_choice: choice })
  return made(reply.choices[0].message)
}

async function structured(model) {
  const reply = await CLIENT.chat.completions.parse({
    model,
    messages: user(asked.JSON_CUE),
    response_format: CITY_FORM,
  })
  return JSON.parse(reply.choices[0].message.content)
}

async function thinking(model) {
  const more = { tools: DECLARED.slice(0, 1), reasoning_effort: 'medium' }
  const messages = user(asked.THINK_CUE)
  const first = (await ask(model, messages, more)).choices[0].message
  messages.push(first)
  for (const call of first.tool_calls ?? [])
    messages.push({ role: 'tool', tool_call_id: call.id, content: asked.RESULTS.weather })
  const second = (await ask(model, messages, more)).choices[0].message
  return {
    reasoning: first.reasoning_content,
    calls: made(first),
    reasoning_after: second.reasoning_content,
    answer: second.content,
  }
}

async function image(model) {
  const url = `data:image/png;base64,${asked.PNG}`
  const parts = [
    { type: 'text', text: asked.IMAGE_CUE },
    { type: 'image_url', image_url: { url } },
  ]
  return (await ask(model, user(parts))).choices[0].message.content
}

async function length(model) {
  return (await ask(model, user(asked.LENGTH_CUE))).choices[0].finish_reason
}

async function models(model) {
  const listed = await all(CLIENT.models.list())
  return [listed.some((found) => found.id === model), (await CLIENT.models.retrieve(model)).id]
}

const refused = (key, question = asked.TEXT) => {
  const asking = client(key)
  return (model) => asking.chat.completions.create({ model, messages: user(question) })
}
const cut = (word) => async (model) => all(await ask(model, user(`[${word}] [long]`), { stream: true }))

await tell(
  VERSION,
  { text, stream, stream_gathered, history, tools, tools_stream, forced, structured, thinking, image, length, models },
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
