/** For the examples inside this checkout only: `ringback/…` is its sources there. Do not copy it. */
import { defaultClientConditions, defineConfig } from 'vite';

export default defineConfig({ resolve: { conditions: ['ringback-source', ...defaultClientConditions] } });
