// Flows of Kubernetes' JavaScript client against a real server: node flows.mjs FLOW. CLIENT_NODE is the file of the
// library, KUBECONFIG and NAMESPACE say where. A flow that returns has passed.
import assert from 'node:assert/strict';
import { PassThrough, Writable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';

const k8s = await import(process.env.CLIENT_NODE);
const namespace = process.env.NAMESPACE;
const config = new k8s.KubeConfig();
config.loadFromFile(process.env.KUBECONFIG);
const core = config.makeApiClient(k8s.CoreV1Api);
const apps = config.makeApiClient(k8s.AppsV1Api);
const objects = k8s.KubernetesObjectApi.makeApiClient(config);

const labels = { app: 'web' };
const configMap = (name, data) =>
  core.createNamespacedConfigMap({ namespace, body: { metadata: { name, labels }, data } });
const as = (type) => k8s.setHeaderOptions('Content-Type', type);
const names = (list) => list.items.map((each) => each.metadata.name);
const container = (name) => ({ name, image: 'registry.example/none:v1' });
const deployment = () =>
  apps.createNamespacedDeployment({
    namespace,
    body: {
      metadata: { name: 'web' },
      spec: {
        replicas: 0,
        selector: { matchLabels: labels },
        template: { metadata: { labels }, spec: { containers: [container('main')] } },
      },
    },
  });

async function until(condition, what) {
  for (const end = Date.now() + 30_000; !(await condition()); await sleep(50))
    assert.ok(Date.now() < end, `not within 30 s: ${what}`);
}

async function refused(status, call) {
  const error = await call().then(() => assert.fail(`${status} expected`), (thrown) => thrown);
  assert.equal(error.code, status, error.message);
  return error;
}

// What a stream is given, as text.
class Text extends Writable {
  text = '';
  _write(chunk, _encoding, done) {
    this.text += chunk;
    done();
  }
}

const flows = {
  async objects() {
    const made = await configMap('a', { k: '1' });
    assert.equal(made.metadata.name, 'a');
    assert.ok(made.metadata.creationTimestamp instanceof Date);
    made.data.k = '2';
    await core.replaceNamespacedConfigMap({ name: 'a', namespace, body: made });
    assert.deepEqual((await core.readNamespacedConfigMap({ name: 'a', namespace })).data, { k: '2' });
    await refused(409, () => core.replaceNamespacedConfigMap({ name: 'a', namespace, body: made }));
    assert.equal((await core.deleteNamespacedConfigMap({ name: 'a', namespace })).status, 'Success');
    await refused(404, () => core.readNamespacedConfigMap({ name: 'a', namespace }));
  },

  async lists() {
    for (const n of [0, 1, 2, 3, 4]) await configMap(`c${n}`, {});
    const chosen = { namespace, labelSelector: 'app=web', fieldSelector: 'metadata.name!=c0' };
    assert.deepEqual(names(await core.listNamespacedConfigMap(chosen)), ['c1', 'c2', 'c3', 'c4']);
    const seen = [];
    let _continue;
    do {
      const page = await core.listNamespacedConfigMap({ namespace, labelSelector: 'app=web', limit: 2, _continue });
      seen.push(...names(page));
      _continue = page.metadata._continue;
    } while (_continue);
    assert.deepEqual(seen, ['c0', 'c1', 'c2', 'c3', 'c4']);
  },

  async watch() {
    const start = (await core.listNamespacedConfigMap({ namespace })).metadata.resourceVersion;
    const seen = [];
    const watch = new k8s.Watch(config);
    const query = { resourceVersion: start, fieldSelector: 'metadata.name=a' };
    const running = await watch.watch(`/api/v1/namespaces/${namespace}/configmaps`, query,
      (type, object) => seen.push(`${type} ${object.data.k}`), () => {});
    await configMap('a', { k: '1' });
    await core.patchNamespacedConfigMap({ name: 'a', namespace, body: { data: { k: '2' } } },
      as(k8s.PatchStrategy.MergePatch));
    await core.deleteNamespacedConfigMap({ name: 'a', namespace });
    await until(() => seen.length === 3, 'three events');
    running.abort();
    assert.deepEqual(seen, ['ADDED 1', 'MODIFIED 2', 'DELETED 2']);
  },

  async informer() {
    await configMap('before', {});
    const list = () => core.listNamespacedConfigMap({ namespace, labelSelector: 'app=web' });
    const informer = k8s.makeInformer(config, `/api/v1/namespaces/${namespace}/configmaps`, list, 'app=web');
    const seen = [];
    for (const event of ['add', 'update', 'delete']) informer.on(event, (each) => seen.push(`${event} ${each.metadata.name}`));
    informer.on('error', (error) => seen.push(`error ${error}`));
    await informer.start();
    await configMap('after', {});
    await core.patchNamespacedConfigMap({ name: 'before', namespace, body: { data: { k: '2' } } },
      as(k8s.PatchStrategy.MergePatch));
    await core.patchNamespacedConfigMap({ name: 'after', namespace, body: { metadata: { labels: null } } },
      as(k8s.PatchStrategy.MergePatch));
    await until(() => seen.length >= 4, 'four events');
    assert.deepEqual(seen, ['add before', 'add after', 'update before', 'delete after']);
    assert.deepEqual(informer.list(namespace).map((each) => [each.metadata.name, each.data]), [['before', { k: '2' }]]);
    await informer.stop();
  },

  async patches() {
    await configMap('a', { k: '1' });
    const patched = await core.patchNamespacedConfigMap({ name: 'a', namespace, body: [
      { op: 'test', path: '/data/k', value: '1' }, { op: 'add', path: '/data/l', value: '2' }] },
      as(k8s.PatchStrategy.JsonPatch));
    assert.deepEqual(patched.data, { k: '1', l: '2' });
    await deployment();
    const body = { spec: { template: { spec: { containers: [container('other')] } } } };
    const patch = async (type) => {
      const done = await apps.patchNamespacedDeployment({ name: 'web', namespace, body }, as(type));
      return done.spec.template.spec.containers.map((each) => each.name).sort();
    };
    assert.deepEqual(await patch(k8s.PatchStrategy.StrategicMergePatch), ['main', 'other']);
    assert.deepEqual(await patch(k8s.PatchStrategy.MergePatch), ['other']);
  },

  async apply() {
    const body = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'a', namespace }, data: { k: '1', l: '1' } };
    const apply = (manager, force) =>
      objects.patch(body, undefined, undefined, manager, force, k8s.PatchStrategy.ServerSideApply);
    await apply('first');
    body.data = { k: '2' };
    const conflict = await refused(409, () => apply('second'));
    assert.match(String(conflict.body), /conflict with .*first/);
    assert.deepEqual((await apply('second', true)).data, { k: '2', l: '1' });
    body.data = {};
    assert.deepEqual((await apply('first')).data, { k: '2' });
  },

  async streams() {
    const out = new Text(), err = new Text();
    const status = await new Promise((resolve, reject) => {
      new k8s.Exec(config).exec(namespace, 'streams', 'main', ['sh', '-c', 'echo out; echo err >&2; exit 3'], out, err,
        null, false, resolve).catch(reject);
    });
    assert.deepEqual([out.text, err.text], ['out\n', 'err\n']);
    assert.deepEqual([status.status, status.details.causes[0].message], ['Failure', '3']);
    const stdin = new PassThrough(), echoed = new Text();
    const socket = await new k8s.Exec(config).exec(namespace, 'streams', 'main', ['cat'], echoed, null, stdin, false);
    stdin.write('through and back\n');
    await until(() => echoed.text === 'through and back\n', 'what cat returns');
    socket.close();
    const log = new Text();
    await new k8s.Log(config).log(namespace, 'streams', 'main', log, { tailLines: 1 });
    await until(() => log.text === 'started\n', 'the log');
  },
};

await flows[process.argv[2]]();
process.exit(0);
