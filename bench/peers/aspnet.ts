/** ASP.NET Core SignalR, when there is a .NET SDK: built once, with the runtime's defaults. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { PeerMissing, type Peer } from './peer.ts';

const PROJECT = fileURLToPath(new URL('../servers/aspnet/aspnet.csproj', import.meta.url));
const CACHE = fileURLToPath(new URL('../../.cache/bench/aspnet/', import.meta.url));
const OUT = join(CACHE, 'out');
const NEEDED_MAJOR = 10;

const environment = { DOTNET_CLI_TELEMETRY_OPTOUT: '1', DOTNET_NOLOGO: '1' } as const;

const version = dotnet(['--version']).stdout.trim();

export const aspnetPeer: Peer = {
  name: 'aspnet',
  title: `ASP.NET Core SignalR (SDK ${version === '' ? 'missing' : version}): a dictionary instead of a store, no checks`,
  dialect: 'aspnet',
  async prepare() {
    if (!(Number.parseInt(version, 10) >= NEEDED_MAJOR))
      throw new PeerMissing(`there is no .NET SDK ${NEEDED_MAJOR} or newer here`);
    const obj = `-p:BaseIntermediateOutputPath=${join(CACHE, 'obj')}/`;
    const { status, stdout, stderr } = dotnet(['build', PROJECT, '-c', 'Release', '-o', OUT, obj, '-nodeReuse:false']);
    if (status !== 0) throw new PeerMissing(`its server cannot be built: ${(stdout + stderr).slice(-1000)}`);
  },
  program: async () => ({
    command: 'dotnet',
    args: [join(OUT, 'aspnet.dll'), '--urls', 'http://127.0.0.1:0'],
    env: environment,
  }),
};

function dotnet(args: readonly string[]): { readonly status: number | null; readonly stdout: string; readonly stderr: string } {
  const { status, stdout, stderr } = spawnSync('dotnet', args, { encoding: 'utf8', env: { ...process.env, ...environment } });
  // Without the program, these are null.
  return { status, stdout: stdout ?? '', stderr: stderr ?? '' };
}
