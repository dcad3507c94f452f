/**
 * Where this machine's Chromium is: for the browser tests, and for what makes sure that there is one.
 *
 * Plain JavaScript for Node 18 and newer, built-ins only.
 */
import { accessSync, constants, statSync } from 'node:fs';
import { delimiter, join } from 'node:path';

/** Names its program; then nothing else is looked for. */
export const CHROMIUM_VARIABLE = 'CHROME_BIN';

const NAMES = ['chromium', 'chromium-browser', 'google-chrome-stable', 'google-chrome', 'chrome'];
const APPLICATIONS = [
  '/Applications/Chromium.app/Contents/MacOS/Chromium',
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
];

/**
 * @param {NodeJS.ProcessEnv} env
 * @returns {string | undefined} path of the program; undefined where there is none, also if the variable names what is none
 */
export function findChromium(env) {
  const named = env[CHROMIUM_VARIABLE] ?? '';
  if (named !== '') return isProgram(named) ? named : undefined;
  const folders = (env['PATH'] ?? '').split(delimiter).filter((folder) => folder !== '');
  const onPath = NAMES.flatMap((name) => folders.map((folder) => join(folder, name)));
  return [...onPath, ...(process.platform === 'darwin' ? APPLICATIONS : [])].find(isProgram);
}

/** @param {string} path */
function isProgram(path) {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}
