import type { Config } from '@react-router/dev/config';

const config: Config = { buildDirectory: 'dist' };

export default config;
