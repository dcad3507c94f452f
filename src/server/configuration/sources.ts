/**
 * Joins what the command line, the environment and the configuration file say: flag > environment > file > default.
 *
 * Reads neither files nor the process: both come in as values.
 */
import type { Configuration } from './parse.ts';
import { parseConfigurationWith, pathText } from './parse.ts';
import { ConfigurationError, editDistance, shown } from './configuration-error.ts';
import { optionNotes } from './option.ts';
import type { OptionNote } from './option.ts';
import { configurationSchema, fileOption } from './schema.ts';

export type FlagValue = string | boolean | readonly string[];
export type Environment = Readonly<Record<string, string | undefined>>;

export interface ConfigurationSources {
  /** By key of the configuration file (`allowedOrigins`), as typed. */
  readonly flags: Readonly<Record<string, FlagValue | undefined>>;
  readonly environment: Environment;
  readonly file?: ConfigurationFile;
}

export interface ConfigurationFile {
  /** As messages call it. */
  readonly name: string;
  /** What its JSON says. */
  readonly content: unknown;
}

export interface NamedOption extends OptionNote {
  /** Its key in the configuration file. */
  readonly key: string;
  readonly variable: string;
}

/** Every option that has a flag, in the order in which people read them. */
export const namedOptions: readonly NamedOption[] = Object.entries(configurationSchema.shape).flatMap(([key, schema]) => {
  const note = optionNotes.get(schema);
  return note === undefined ? [] : [named(key, note)];
});

/** `--config`, which is no key of the file. */
export const configurationFileOption: NamedOption = named('config', fileOption);

/** Read by the command line beside the options. */
const OTHER_VARIABLES = ['RINGBACK_API_KEY', 'RINGBACK_URL', 'RINGBACK_TOKEN', 'RINGBACK_AZURE_ACCESS_KEY'];

/** The configuration file to read, if one is named. */
export function configurationFileName({ flags, environment }: ConfigurationSources): string | undefined {
  const flag = flags[configurationFileOption.key];
  if (flag === '') throw new ConfigurationError(['--config: expected the name of a file']);
  return typeof flag === 'string' ? flag : environment[configurationFileOption.variable] || undefined;
}

/**
 * @throws ConfigurationError naming every fault by the flag, variable or key that has it
 */
export function resolveConfiguration({ flags, environment, file }: ConfigurationSources): Configuration {
  refuseMisspelt(environment);
  const values = new Map<string, unknown>();
  const labels = new Map<string, string>();
  for (const [key, value] of fileEntries(file)) values.set(key, value);
  for (const option of namedOptions) {
    const given = fromFlag(option, flags[option.key]) ?? fromEnvironment(option, environment);
    if (given === undefined) continue;
    values.set(option.key, given.value);
    labels.set(option.key, given.label);
  }
  return parseConfigurationWith(Object.fromEntries(values), {
    label: (path) => labels.get(String(path[0])) ?? (file === undefined ? pathText(path) : `${pathText(path)} in ${file.name}`),
    environment,
  });
}

function named(key: string, note: OptionNote): NamedOption {
  return { ...note, key, variable: `RINGBACK_${note.flag.replaceAll('-', '_').toUpperCase()}` };
}

function fileEntries(file: ConfigurationFile | undefined): [string, unknown][] {
  if (file === undefined) return [];
  const { content, name } = file;
  if (typeof content === 'object' && content !== null && !Array.isArray(content)) return Object.entries(content);
  throw new ConfigurationError([`${name}: expected a JSON object, got ${shown(content)}`]);
}

function fromFlag(option: NamedOption, flag: FlagValue | undefined): { value: unknown; label: string } | undefined {
  if (flag === undefined) return undefined;
  return { value: typeof flag === 'string' ? fromText(option, flag) : flag, label: `--${option.flag}` };
}

function fromEnvironment(option: NamedOption, environment: Environment): { value: unknown; label: string } | undefined {
  // PORT is what hosting platforms set.
  for (const variable of option.key === 'port' ? [option.variable, 'PORT'] : [option.variable]) {
    const text = environment[variable]?.trim();
    if (text) return { value: fromText(option, text), label: variable };
  }
  return undefined;
}

/** What cannot be read stays a text, for the schema to refuse in its words. */
function fromText(option: NamedOption, text: string): unknown {
  switch (option.kind) {
    case 'text':
      return text;
    case 'number':
      return /^-?\d+(\.\d+)?$/.test(text) ? Number(text) : text;
    case 'switch':
      return (
        new Map<string, boolean>([
          ['true', true],
          ['1', true],
          ['false', false],
          ['0', false],
        ]).get(text.toLowerCase()) ?? text
      );
    case 'list':
      return text.split(',').map((part) => part.trim());
    default:
      return option.kind satisfies never;
  }
}

/**
 * A misspelt variable would silently be the default. Only near misses count: hosts set variables like
 * RINGBACK_SERVICE_HOST for a service of our name.
 */
function refuseMisspelt(environment: Environment): void {
  const known = [...namedOptions, configurationFileOption].map((option) => option.variable).concat(OTHER_VARIABLES);
  const faults = Object.entries(environment).flatMap(([name, value]) => {
    if (!name.startsWith('RINGBACK_') || !value || known.includes(name)) return [];
    const near = known.find((variable) => editDistance(name, variable) <= (variable.length > 'RINGBACK_'.length + 5 ? 2 : 1));
    return near === undefined ? [] : [`${name}: unknown variable; did you mean ${near}?`];
  });
  if (faults.length > 0) throw new ConfigurationError(faults);
}
