// The Vercel AI SDK with one of its providers against every kind of upstream; see asked.mjs.
// The provider is named after the spec: openai, openai-chat (which shows no reasoning), compatible, anthropic or
// google.

import { readFileSync } from 'node:fs'
import { createAnthropic } from '@ai-sdk/anthropic'
import { createGoogleGenerativeAI } from '@ai-sdk/google'
import { createOpenAI } from '@ai-sdk/openai'
import { createOpenAICompatible } from '@ai-sdk/openai-compatible'
import { generateText, jsonSchema, Output, stepCountIs, streamText, tool } from 'ai'
import { asked, distinct, keys, origin, tell, thrice } from './asked.mjs'

const PACKAGE = JSON.parse(readFileSync(new URL('node_modules/ai/package.json', import.meta.url)))
const NAME = process.argv[3]
const PROVIDERS = {
  openai: (apiKey) => createOpenAI({ baseURL: `${origin}/v1`, apiKey }),
  'openai-chat': (apiKey) => createOpenAI({ baseURL: `${origin}/v1`, apiKey }).chat,
  compatible: (apiKey) =>
    createOpenAICompatible({
      name: 'relay',
      baseURL: `${origin}/v1`,
      apiKey,
      includeUsage: true,
      supportsStructuredOutputs: true,
    }),
  anthropic: (apiKey) => createAnthropic({ baseURL: `${origin}/v1`, apiKey }),
  google: (apiKey) => createGoogleGenerativeAI({ baseURL: `${origin}/v1beta`, apiKey }),
}
const REASONING = {
  openai: { openai: { reasoningEffort: 'medium', reasoningSummary: 'auto', store: false, forceReasoning: true } },
  'openai-chat': { openai: { reasoningEffort: 'medium' } },
  compatible: { relay: { reasoningEffort: 'medium' } },
  anthropic: { anthropic: { thinking: { type: 'enabled', budgetTokens: asked.BUDGET_TOKENS } } },
  google: { google: { thinkingConfig: { includeThoughts: true, thinkingBudget: asked.BUDGET_TOKENS } } },
}
const provider = (key = 'good') => PROVIDERS[NAME](keys[key])
const OWN = provider()
const TOOLS = Object.fromEntries(
  Object.entries(asked.TOOLS).map(([name, schema]) => [
    name,
    tool({
      description: `The ${name}`,
      inputSchema: jsonSchema(schema),
      execute: async () => asked.RESULTS[name],
    }),
  ]),
)
const usual = (model, more) => ({ model: OWN(model), maxRetries: 0, ...more })
const ask = (model, prompt, more = {}) => generateText(usual(model, { prompt, ...more }))
const told = ({ text, finishReason, usage }) => ({
  text,
  finish: finishReason,
  usage: [usage.inputTokens, usage.outputTokens],
})
const made = (calls) => calls.map((call) => [call.toolName, call.input])

async function text(model) {
  return told(await ask(model, asked.TEXT))
}

async function stream(model) {
  const result = streamText(usual(model, { prompt: asked.LONG_CUE, onError: () => {} }))
  let pieces = 0
  for await (const _ of result.textStream) pieces++
  const [said, finishReason, usage] = await Promise.all([result.text, result.finishReason, result.usage])
  return { ...told({ text: said, finishReason, usage }), pieces }
}

async function history(model) {
  const messages = asked.HISTORY.map(([role, content]) => ({ role, content }))
  return told(await generateText(usual(model, { messages, system: asked.SYSTEM })))
}

async function tools(model) {
  const result = await ask(model, asked.TOOLS_CUE, { tools: TOOLS, stopWhen: stepCountIs(2) })
  const [first, second] = result.steps
  return {
    calls: made(first.toolCalls),
    ids: distinct(first.toolCalls.map((call) => call.toolCallId)),
    finish: first.finishReason,
    answer: second.text,
  }
}

async function tools_stream(model) {
  const more = { prompt: asked.TOOLS_CUE, tools: TOOLS, stopWhen: stepCountIs(2), onError: () => {} }
  const result = streamText(usual(model, more))
  await result.consumeStream()
  const [first, second] = await result.steps
  return {
    calls: made(first.toolCalls),
    ids: distinct(first.toolCalls.map((call) => call.toolCallId)),
    finish: first.finishReason,
    answer: second.text,
  }
}

async function forced(model) {
  const result = await ask(model, 'Now.', { tools: TOOLS, toolChoice: { type: 'tool', toolName: 'clock' } })
  return made(result.toolCalls)
}

async function structured(model) {
  return (await ask(model, asked.JSON_CUE, { output: Output.object({ schema: jsonSchema(asked.CITY) }) })).output
}

// Two steps with the reasoning handed back between them, as the SDK itself does it.
async function thinking(model) {
  const result = await ask(model, asked.THINK_CUE, {
    tools: { weather: TOOLS.weather },
    stopWhen: stepCountIs(2),
    providerOptions: REASONING[NAME],
  })
  const [first, second] = result.steps
  return {
    reasoning: first.reasoningText,
    calls: made(first.toolCalls),
    reasoning_after: second.reasoningText,
    answer: second.text,
  }
}

async function thinking_stream(model) {
  const result = streamText(
    usual(model, { prompt: asked.THINK_ONLY, providerOptions: REASONING[NAME], onError: () => {} }),
  )
  await result.consumeStream()
  return { reasoning: await result.reasoningText, text: await result.text }
}

async function image(model) {
  const content = [
    { type: 'text', text: asked.IMAGE_CUE },
    { type: 'image', image: asked.PNG, mediaType: 'image/png' },
  ]
  return (await generateText(usual(model, { messages: [{ role: 'user', content }] }))).text
}

async function cache(model) {
  const { usage } = await ask(model, asked.CACHE_CUE)
  return [usage.inputTokens, usage.inputTokenDetails?.cacheReadTokens ?? usage.cachedInputTokens]
}

async function length(model) {
  return (await ask(model, asked.LENGTH_CUE)).finishReason
}

const refused = (key, prompt = asked.TEXT) => {
  const asking = provider(key)
  return (model) => generateText({ model: asking(model), prompt, maxRetries: 0 })
}
const cut = (word) => async (model) => {
  let failure
  const onError = ({ error }) => (failure = error)
  await streamText(usual(model, { prompt: `[${word}] [long]`, onError })).consumeStream()
  if (failure) throw failure instanceof Error ? failure : new Error(JSON.stringify(failure))
}

await tell(
  PACKAGE.version,
  {
    text, stream, history, tools, tools_stream, forced, structured, thinking, thinking_stream, image, cache, length,
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
