/** Starts the page of the simulated payment provider. */
import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import '../style/index.css';
import { ProviderPage } from './provider-page.tsx';

const root = document.getElementById('root');
if (root === null) throw new Error('the page has no element "root"');
createRoot(root).render(
  <StrictMode>
    <ProviderPage />
  </StrictMode>,
);
