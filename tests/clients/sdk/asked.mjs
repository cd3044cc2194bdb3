// What a script is asked and how it tells what came back; the counterpart of tests/e2e/sdks/asked.py, which
// gives the questions too: they come in the spec, so that they are written once.

const given = JSON.parse(process.argv[2])

/** Scheme, host and port of the server. */
export const origin = given.origin
/** API keys by what is the matter with them. */
export const keys = given.keys
/** The questions, tools and results, by the names that they have in asked.py. */
export const asked = given.asked

const TIMEOUT_MS = 120_000

/** Runs all cases for all models and prints the findings as one JSON object. */
export async function tell(version, cases, errors) {
  setTimeout(() => process.exit(3), TIMEOUT_MS).unref()
  const found = {}
  await Promise.all(
    given.models.map(async (model) => {
      found[model] = {}
      for (const [name, ask] of Object.entries(cases)) found[model][name] = await one(ask, model)
      found[model].errors = await raised(model, given.faulty[model], errors)
    }),
  )
  process.stdout.write(JSON.stringify({ version, found }) + '\n')
}

async function one(ask, model) {
  try {
    return await ask(model)
  } catch (error) {
    return { raised: error.constructor.name, message: String(error.message).slice(0, 800) }
  }
}

// Class and status of what each case raises; those that the upstream causes ask the model's twin.
async function raised(model, faulty, errors) {
  const found = {}
  for (const [name, ask] of Object.entries(errors)) {
    try {
      await ask(name.startsWith('upstream') ? faulty : model)
      found[name] = { class: null }
    } catch (error) {
      const status = error.status ?? error.statusCode ?? null
      found[name] = {
        class: error.constructor.name,
        status: typeof status === 'number' ? status : null,
        message: String(error.message).slice(0, 300),
      }
    }
  }
  return found
}

/** The same call three times, for a limit that the first of them may keep. */
export const thrice = (ask) => async (model) => {
  for (let count = 0; count < 3; count++) await ask(model)
}

/** All items of an async iterable. */
export async function all(items) {
  const found = []
  for await (const item of items) found.push(item)
  return found
}

export const distinct = (values) => new Set(values).size
