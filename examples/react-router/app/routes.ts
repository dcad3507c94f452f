import { index, type RouteConfig } from '@react-router/dev/routes';

const routes: RouteConfig = [index('./checkout.tsx')];

export default routes;
