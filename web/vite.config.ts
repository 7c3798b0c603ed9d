// How the app is built: one first chunk, the map, the charts and the console in chunks of their own.
import { defineConfig } from 'vite';

export default defineConfig({
  base: '/',
  build: {
    target: 'es2022',
    outDir: 'dist',
    emptyOutDir: true,
    // Scripts and styles inlined as data: URLs would need holes in the content security policy.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
    chunkSizeWarningLimit: 1400,
  },
  // `npm run dev` against a running server.
  server: {
    fs: { allow: ['..'] },
    proxy: Object.fromEntries(
      ['/api', '/metrics', '/readyz', '/config.json'].map((path) => [
        path,
        { target: process.env.FLASH_URL ?? 'http://127.0.0.1:8080', ws: path === '/api', changeOrigin: true, rewriteWsOrigin: true },
      ]),
    ),
  },
});
