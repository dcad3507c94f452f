/** The configuration of a server, as the rest of the code sees it; how it is read is in the folder of the same name. */
export { ConfigurationError } from './configuration/configuration-error.ts';
export { defaultLimits } from './configuration/limits.ts';
export type { LimitName, Limits } from './configuration/limits.ts';
export type { BackplaneLocation, StoreLocation } from './configuration/locations.ts';
export { parseConfiguration } from './configuration/parse.ts';
export type { Configuration, RingbackConfiguration } from './configuration/parse.ts';
export type { LogLevel } from './configuration/schema.ts';
export { configurationFileName, configurationFileOption, namedOptions, resolveConfiguration } from './configuration/sources.ts';
export type { ConfigurationFile, ConfigurationSources, Environment, FlagValue, NamedOption } from './configuration/sources.ts';
