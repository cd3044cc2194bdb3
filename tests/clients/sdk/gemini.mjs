// The Google Gen AI SDK against every kind of upstream; see asked.mjs.

import { readFileSync } from 'node:fs'
import { GoogleGenAI } from '@google/genai'
import { all, asked, distinct, keys, origin, tell, thrice } from './asked.mjs'

const PACKAGE = JSON.parse(readFileSync(new URL('node_modules/@google/genai/package.json', import.meta.url)))
const client = (key = 'good') =>
  new GoogleGenAI({ apiKey: keys[key], httpOptions: { baseUrl: origin, timeout: 30_000 } })
const CLIENT = client()
const DECLARED = Object.entries(asked.TOOLS).map(([name, parametersJsonSchema]) => ({
  name,
  description: `The ${name}`,
  parametersJsonSchema,
}))
const BOTH = [{ functionDeclarations: DECLARED }]
const WEATHER_ALONE = [{ functionDeclarations: DECLARED.slice(0, 1) }]
const THINKING = { includeThoughts: true, thinkingBudget: asked.BUDGET_TOKENS }

const user = (text) => ({ role: 'user', parts: [{ text }] })
const ask = (model, contents, config) => CLIENT.models.generateContent({ model, contents, config })
const streamed = async (model, contents, config) =>
  all(await CLIENT.models.generateContentStream({ model, contents, config }))
const parts = (reply) => reply.candidates?.[0]?.content?.parts ?? []
const said = (reply) => parts(reply).filter((part) => part.text && !part.thought).map((part) => part.text).join('')
const reasoning = (reply) => parts(reply).filter((part) => part.thought).map((part) => part.text ?? '').join('')
const calls = (reply) => parts(reply).filter((part) => part.functionCall).map((part) => part.functionCall)
const made = (found) => found.map((call) => [call.name, call.args])
const results = (found) => ({
  role: 'user',
  parts: found.map(({ id, name }) => ({
    functionResponse: { id, name, response: { output: asked.RESULTS[name] } },
  })),
})
const told = (reply) => ({
  text: said(reply),
  finish: reply.candidates?.[0]?.finishReason,
  usage: [
    reply.usageMetadata.promptTokenCount,
    (reply.usageMetadata.candidatesTokenCount ?? 0) + (reply.usageMetadata.thoughtsTokenCount ?? 0),
  ],
})

async function text(model) {
  return told(await ask(model, asked.TEXT))
}

async function stream(model) {
  const chunks = await streamed(model, asked.LONG_CUE)
  const pieces = chunks.map(said).filter(Boolean)
  return { ...told(chunks.at(-1)), text: pieces.join(''), pieces: pieces.length }
}

async function history(model) {
  const contents = asked.HISTORY.map(([role, text]) => ({
    role: role === 'assistant' ? 'model' : role,
    parts: [{ text }],
  }))
  return told(await ask(model, contents, { systemInstruction: asked.SYSTEM }))
}

async function tools(model) {
  const contents = [user(asked.TOOLS_CUE)]
  const first = await ask(model, contents, { tools: BOTH })
  contents.push(first.candidates[0].content, results(calls(first)))
  const second = await ask(model, contents, { tools: BOTH })
  return {
    calls: made(calls(first)),
    ids: distinct(calls(first).map((call) => call.id)),
    finish: first.candidates[0].finishReason,
    answer: said(second),
  }
}

async function tools_stream(model) {
  const chunks = await streamed(model, asked.TOOLS_CUE, { tools: BOTH })
  const found = chunks.flatMap(calls)
  return {
    calls: made(found),
    ids: distinct(found.map((call) => call.id)),
    finish: chunks.map((chunk) => chunk.candidates?.[0]?.finishReason).filter(Boolean).at(-1),
  }
}

async function forced(model) {
  const functionCallingConfig = { mode: 'ANY', allowedFunctionNames: ['clock'] }
  return made(calls(await ask(model, 'Now.', { tools: BOTH, toolConfig: { functionCallingConfig } })))
}

async function structured(model) {
  const config = { responseMimeType: 'application/json', responseJsonSchema: asked.CITY }
  return JSON.parse(said(await ask(model, asked.JSON_CUE, config)))
}

async function thinking(model) {
  const config = { tools: WEATHER_ALONE, thinkingConfig: THINKING }
  const contents = [user(asked.THINK_CUE)]
  const first = await ask(model, contents, config)
  contents.push(first.candidates[0].content, results(calls(first)))
  const second = await ask(model, contents, config)
  return {
    reasoning: reasoning(first),
    calls: made(calls(first)),
    reasoning_after: reasoning(second),
    answer: said(second),
  }
}

async function thinking_stream(model) {
  const chunks = await streamed(model, asked.THINK_ONLY, { thinkingConfig: THINKING })
  return { reasoning: chunks.map(reasoning).join(''), text: chunks.map(said).join('') }
}

async function image(model) {
  const picture = { inlineData: { mimeType: 'image/png', data: asked.PNG } }
  return said(await ask(model, [{ role: 'user', parts: [{ text: asked.IMAGE_CUE }, picture] }]))
}

async function length(model) {
  return (await ask(model, asked.LENGTH_CUE)).candidates[0].finishReason
}

async function count(model) {
  return (await CLIENT.models.countTokens({ model, contents: asked.TEXT })).totalTokens
}

async function models(model) {
  const listed = await all(await CLIENT.models.list())
  return [listed.some((found) => found.name === `models/${model}`), (await CLIENT.models.get({ model })).name]
}

const refused = (key, question = asked.TEXT) => {
  const asking = client(key)
  return (model) => asking.models.generateContent({ model, contents: question })
}
const cut = (word) => (model) => streamed(model, `[${word}] [long]`)

await tell(
  PACKAGE.version,
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
