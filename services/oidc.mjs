// An OpenID provider for tests, with the client credentials grant; run by oidc.sh.
// Clients: gateway/gateway-secret. Tokens: sub = client id, aud = kafka, iss = test-issuer, RS256, one hour (OIDC_SECONDS).
// The next port says how many were given out, so that a test can see a refresh.
import fs from 'node:fs';
import http from 'node:http';
import { createPrivateKey } from 'node:crypto';
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';
const [, , port, modules, keyFile] = process.argv;
const lib = createRequire(modules + '/package.json').resolve('oauth2-mock-server');
const { OAuth2Server } = await import(pathToFileURL(lib));

const clients = { gateway: 'gateway-secret' };
const server = new OAuth2Server();
await server.issuer.keys.add({ ...createPrivateKey(fs.readFileSync(keyFile)).export({ format: 'jwk' }), kid: 'test', alg: 'RS256' });
let calls = 0;
// The library grants a token to anybody: look at the credentials, and refuse with what RFC 6749 says.
const credentials = (req) => {
  const [, basic] = (req.headers.authorization ?? '').match(/^Basic (.+)$/i) ?? [];
  if (basic) return Buffer.from(basic, 'base64').toString().split(':').map(decodeURIComponent);
  return [req.body?.client_id, req.body?.client_secret];
};
server.service.on('beforeTokenSigning', (token, req) => {
  calls++;
  const [id] = credentials(req), now = Math.floor(Date.now() / 1000);
  Object.assign(token.payload, { sub: id, aud: 'kafka', iss: 'test-issuer', iat: now, exp: now + Number(process.env.OIDC_SECONDS ?? 3600) });
});
server.service.on('beforeResponse', (response, req) => {
  const [id, secret] = credentials(req);
  if (!id || clients[id] !== secret) Object.assign(response, { statusCode: 401, body: { error: 'invalid_client' } });
  else response.body.expires_in = Number(process.env.OIDC_SECONDS ?? 3600);
});
await server.start(Number(port), '127.0.0.1');
server.issuer.url = `http://127.0.0.1:${port}`;
http.createServer((q, r) => r.end(String(calls))).listen(Number(port) + 1, '127.0.0.1');
console.log('ready');
