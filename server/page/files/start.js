// The start page: asks this process about itself, and sends it one record. It asks nobody else.
const root = document.documentElement.dataset.root;
const base = new URL(root, location.href).href.replace(/\/$/, '');
const id = (name) => document.getElementById(name);
const kafka = 'application/vnd.kafka.v2+json';
const every = 5000; // ms between two looks
const names = { topics: [], streams: [] };

// ask fetches a path and gives the status and the body, read as JSON where it is JSON.
async function ask(path, options) {
  const response = await fetch(root + path, { signal: AbortSignal.timeout(10000), cache: 'no-store', ...options });
  const text = await response.text();
  let body;
  try { body = JSON.parse(text); } catch { body = undefined; }
  return { status: response.status, ok: response.ok, text, body, requestId: response.headers.get('X-Request-Id') };
}

// why tells in a line what an answer that is no success says.
const why = (answer) => `${answer.status}: ${answer.body?.message ?? (answer.text || 'no body')}`;

async function showVersion() {
  const { ok, body } = await ask('version');
  if (ok && body?.version) id('version').textContent = body.version;
}

async function showReady() {
  const pill = id('ready');
  let text = 'does not answer', good = false;
  try {
    const answer = await ask('readyz');
    good = answer.ok;
    text = good ? 'ready' : 'not ready: ' + (answer.body?.error ?? answer.status).toString().slice(0, 200);
  } catch { /* said above */ }
  if (pill.textContent !== text) pill.textContent = text;
  pill.className = good ? 'pill good' : 'pill bad';
}

// showNames lists topics or streams; a list that has not changed stays as it is, so that focus and scrolling stay too.
function showNames(kind, found, note, more) {
  id(kind + '-note').textContent = note;
  const same = found.length === names[kind].length && found.every((name, i) => name === names[kind][i]);
  id(kind + '-count').textContent = note && !found.length ? '' : found.length + (more ? '+' : '');
  if (same) return;
  names[kind] = found;
  id(kind).replaceChildren(...found.map((name) => {
    const item = document.createElement('li');
    if (kind === 'topics') {
      const button = document.createElement('button');
      button.type = 'button';
      button.textContent = name;
      button.title = 'Send a record to ' + name;
      button.addEventListener('click', () => { id('topic').value = name; showCurl(); id('value').focus(); });
      item.append(button);
    } else {
      item.textContent = name;
    }
    return item;
  }));
  if (kind === 'topics') {
    id('topic-names').replaceChildren(...found.map((name) => Object.assign(document.createElement('option'), { value: name })));
    if (!id('topic').value && found.length) id('topic').value = found.find((name) => name.endsWith('.pin')) ?? found[0];
  }
  showCurl();
}

async function showTopics() {
  const answer = await ask('topics', { headers: { Accept: kafka } });
  if (!answer.ok || !Array.isArray(answer.body)) return showNames('topics', [], why(answer));
  showNames('topics', answer.body.toSorted(), answer.body.length ? '' : 'None yet.');
}

async function showStreams() {
  const answer = await ask('streams', { headers: { Accept: 'application/json' } });
  if (answer.status === 404) return showNames('streams', [], 'The Kinesis routes are off (kinesis.enable).');
  if (!answer.ok || !answer.body?.StreamNames) return showNames('streams', [], why(answer));
  showNames('streams', answer.body.StreamNames, answer.body.StreamNames.length ? '' : 'None yet.', answer.body.HasMoreStreams);
}

// record is the body that the form stands for; the value's text goes in as it was typed, so digits stay as they are.
function record() {
  const key = id('key').value;
  return `{"records":[{${key ? `"key":${JSON.stringify(key)},` : ''}"value":${id('value').value.trim() || 'null'}}]}`;
}

// fault tells what is wrong with the value; it is empty when nothing is.
function fault() {
  try { JSON.parse(id('value').value); return ''; } catch (err) { return 'The value is not JSON: ' + err.message; }
}

async function send(event) {
  event.preventDefault();
  const wrong = fault(), answer = id('answer'), button = event.target.querySelector('button');
  id('value-fault').textContent = wrong;
  if (wrong) { id('value').focus(); return; }
  button.disabled = true;
  const started = performance.now();
  try {
    const got = await ask('topics/' + encodeURIComponent(id('topic').value), {
      method: 'POST',
      headers: { 'Content-Type': 'application/vnd.kafka.json.v2+json', Accept: kafka },
      body: record(),
    });
    // a 200 may hold a failed record
    const stored = got.ok && (got.body?.offsets ?? []).every((offset) => offset.error_code === null);
    answer.className = stored ? 'answer' : 'answer bad';
    answer.textContent = `${got.status} in ${Math.round(performance.now() - started)} ms, request ${got.requestId ?? 'without id'}\n`
      + (got.body ? JSON.stringify(got.body, null, 2) : got.text);
  } catch (err) {
    answer.className = 'answer bad';
    answer.textContent = 'No answer: ' + err.message;
  }
  answer.hidden = false;
  button.disabled = false;
}

const quote = (text) => `'${text.replaceAll("'", `'\\''`)}'`;

function showCurl() {
  const stream = names.streams.find((name) => name.endsWith('-pin')) ?? names.streams[0] ?? 'my-stream';
  const value = id('value').value.trim() || 'null';
  const lines = [
    `curl -s ${base}/topics`,
    `curl -s ${base}/topics/${encodeURIComponent(id('topic').value || 'my-topic')} -H 'Content-Type: application/vnd.kafka.json.v2+json' -d ${quote(record())}`,
    `curl -s -X PUT ${base}/streams/${stream}/record -H 'Content-Type: application/json' -d ${quote(`{"Data":${value},"PartitionKey":${JSON.stringify(id('key').value || 'demo')}}`)}`,
  ];
  const blocks = id('curl').children;
  if (!blocks.length) {
    id('curl').replaceChildren(...lines.map((_, i) => {
      const block = document.createElement('div'), copy = document.createElement('button');
      block.className = 'line';
      copy.type = 'button';
      copy.textContent = 'Copy';
      copy.setAttribute('aria-label', `Copy line ${i + 1}`);
      copy.addEventListener('click', async () => {
        const text = block.firstChild.textContent;
        try { await navigator.clipboard.writeText(text); copy.textContent = 'Copied'; } catch { getSelection().selectAllChildren(block.firstChild); }
        setTimeout(() => { copy.textContent = 'Copy'; }, 1500);
      });
      block.append(document.createElement('pre'), copy);
      return block;
    }));
  }
  lines.forEach((line, i) => { blocks[i].firstChild.textContent = line; });
}

// look shows one part and never throws: what went wrong stands where the part would.
const look = (show, kind) => show().catch((err) => { if (kind) showNames(kind, [], 'No answer: ' + err.message); });

async function lookAround() {
  if (!document.hidden) {
    await Promise.all([look(showReady), look(showTopics, 'topics'), look(showStreams, 'streams')]);
  }
  setTimeout(lookAround, every);
}

id('send').addEventListener('submit', send);
id('send').addEventListener('input', () => { id('value-fault').textContent = fault(); showCurl(); });
showCurl();
look(showVersion);
lookAround();
