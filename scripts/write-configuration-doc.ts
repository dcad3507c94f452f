/**
 * Writes docs/configuration.md from the table of options, so that the two cannot differ:
 *
 *   node scripts/write-configuration-doc.ts
 */
import { writeFileSync } from 'node:fs';
import { configurationFileOption, namedOptions, type NamedOption } from '../src/server/configuration.ts';
import { limitNotes, limitsObject } from '../src/server/configuration/limits.ts';

export const documentFile = new URL('../docs/configuration.md', import.meta.url);

export function configurationDocument(): string {
  return `${INTRODUCTION}
## Options

| option | variable | key in the file | default | |
| --- | --- | --- | --- | --- |
${[...namedOptions, configurationFileOption]
  .filter((option) => option.hidden !== true)
  .map(optionRow)
  .join('\n')}

A switch is turned off again with \`--no-<option>\`, or with \`false\` or \`0\` in its variable. \`--help\` shows the same list.

${SECRETS}
## Limits

Set under \`limits\` in the file. Each is a whole number, at least 1; there is no "unlimited".

| limit | default | unit | largest | |
| --- | ---: | --- | ---: | --- |
${Object.entries(limitsObject.shape).map(limitRow).join('\n')}

${WEBHOOKS}`;
}

const INTRODUCTION = `<!-- Made by scripts/write-configuration-doc.ts from src/server/configuration/. Edit those. -->

# Configuration

Every option can be given as a flag of \`ringback serve\`, as an environment variable, and in a configuration file; a flag wins
over the environment, the environment over the file, the file over the default. An empty variable counts as absent. An
option that may be repeated takes several values separated by commas in its variable, and a list in the file. Relative file names start
at the working directory.

What is unknown or wrong stops the start with exit code 2 and one line that names it, what was expected, and the nearest right
name. An app that embeds the server passes the same keys as an object; the library itself reads no environment.

\`\`\`json
{
  "store": "sqlite:/var/lib/ringback/ringback.db",
  "publicUrl": "https://events.shop.example",
  "allowedOrigins": ["https://shop.example"],
  "trustedProxies": ["10.0.0.0/8"],
  "limits": { "messageBytes": 131072 }
}
\`\`\`
`;

const SECRETS = `## API keys

\`RINGBACK_API_KEY\` holds one or more keys, separated by commas: printable ASCII, better 16 characters or more each. Several are
active at once, so that a key can be replaced without a gap. There is no flag and no key in the file for it: both are seen by others too easily.

With \`postgres://…\` it is required, the same for all instances. Without it, a key is made at the first start and written to \`<database file>.api-key\`, readable by its owner only; the path is logged. With
\`memory:\` it is a temporary file that goes with the process. \`ringback open\` and \`ringback send\` look in the same places.
`;

const WEBHOOKS = `## Webhook sources

Set under \`webhooks\` in the file, by name; the name is the last part of the address \`POST /webhooks/<name>\`. What happens to
a webhook then is told in [webhooks.md](webhooks.md).

\`\`\`json
{
  "webhooks": {
    "acme": {
      "preset": "standard-webhooks",
      "secrets": ["whsec_…", { "env": "ACME_OLD_SECRET" }],
      "transaction": "/data/reference",
      "type": "/type"
    }
  }
}
\`\`\`

| key | |
| --- | --- |
| \`preset\` | How the source signs: \`standard-webhooks\`. |
| \`secrets\` | 1 to 10 secrets, any of which may have signed: each a text (\`whsec_\` and base64, at least 16 bytes) or \`{"env": "<variable>"}\`. |
| \`transaction\` | JSON pointer (RFC 6901) into the verified body, to the id (\`txn_…\`) or the reference of the transaction. |
| \`type\` | JSON pointer to the type of the message; \`/type\` when absent. |
`;

function optionRow({ flag, argument, kind, variable, key, default: value, text }: NamedOption): string {
  const shown = argument === '' ? `--${flag}` : `--${flag} ${argument}`;
  const place = key === configurationFileOption.key ? '' : `\`${key}\``;
  return row([`\`${shown}\``, `\`${variable}\``, place, value, kind === 'list' ? `${text} May be repeated.` : text]);
}

function limitRow([name, schema]: [string, (typeof limitsObject.shape)[keyof typeof limitsObject.shape]]): string {
  const note = limitNotes.get(schema);
  if (note === undefined) throw new TypeError(`the limit ${name} has no note`);
  const largest = note.largest === Number.MAX_SAFE_INTEGER ? '2^53 - 1' : String(note.largest);
  return row([`\`${name}\``, String(note.default), note.unit, largest, note.text]);
}

function row(cells: readonly string[]): string {
  return `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
}

if (import.meta.main) writeFileSync(documentFile, configurationDocument());
