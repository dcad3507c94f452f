import { reactRouter } from '@react-router/dev/vite';
import { defaultClientConditions, defaultServerConditions, defineConfig } from 'vite';

// Not to be copied: inside this checkout `ringback/…` is its sources.
const inCheckout = 'ringback-source';

export default defineConfig({
  plugins: [reactRouter()],
  environments: { ssr: { build: { rolldownOptions: { input: './app/handler.ts' } } } },
  resolve: { conditions: [inCheckout, ...defaultClientConditions] },
  ssr: { resolve: { conditions: [inCheckout, ...defaultServerConditions] } },
});
