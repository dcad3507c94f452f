/**
 * Checks what a green `npm install` does not prove: that the lockfile installs everywhere. It must name no download address
 * (the registry is the reader's own), hold every optional dependency (npm/cli#9846: bindings of other platforms go missing,
 * and `npm ci` there fails), and package.json must pin exact versions.
 */
import { readFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';

/**
 * @param {{ packages: Record<string, { resolved?: string, optionalDependencies?: Record<string, string> }> }} lockfile
 * @param {Record<string, Record<string, string> | undefined>} manifest
 * @returns {string[]} one sentence a fault
 */
export function lockfileFaults(lockfile, manifest) {
  const faults = [];
  const paths = Object.keys(lockfile.packages);
  if (paths.length < 2) faults.push('the lockfile holds no package');
  for (const [path, entry] of Object.entries(lockfile.packages)) {
    if (entry.resolved !== undefined) faults.push(`${path} names a download address; .npmrc has omit-lockfile-registry-resolved`);
    for (const name of Object.keys(entry.optionalDependencies ?? {})) {
      if (!paths.some((other) => other.endsWith(`node_modules/${name}`)))
        faults.push(`${path}: ${name} is absent from the lockfile`);
    }
  }
  for (const field of ['dependencies', 'devDependencies', 'optionalDependencies']) {
    for (const [name, range] of Object.entries(manifest[field] ?? {})) {
      if (!/^(npm:.+@)?\d+\.\d+\.\d+(-[\w.]+)?$/.test(range)) faults.push(`${field}: ${name} is not pinned exactly (${range})`);
    }
  }
  return faults;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const read = (/** @type {string} */ path) => JSON.parse(readFileSync(path, 'utf8'));
  const faults = lockfileFaults(read('package-lock.json'), read('package.json'));
  for (const fault of faults) process.stderr.write(`package-lock.json: ${fault}\n`);
  process.exitCode = faults.length === 0 ? 0 : 1;
}
