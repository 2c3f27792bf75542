// A worker for pages opened from the disk, where browsers refuse real ones: the script runs in a hidden frame. The theme's search asks for it by this name.
class IFrameWorker extends EventTarget {
  constructor(url) {
    super();
    const frame = document.createElement("iframe");
    frame.hidden = true;
    document.body.append(frame);
    const inside = frame.contentWindow;
    this.ready = new Promise((ready) => {
      inside.document.open();
      inside.postMessage = (data) => this.dispatchEvent(new MessageEvent("message", { data }));
      const script = inside.document.createElement("script");
      script.src = url;
      script.onload = () => ready(inside);
      inside.document.write("<!doctype html><body></body>");
      inside.document.close();
      inside.document.body.append(script);
    });
  }
  postMessage(data) {
    this.ready.then((inside) => inside.dispatchEvent(new inside.MessageEvent("message", { data })));
  }
  terminate() {}
}
if (location.protocol === "file:") window.Worker = window.IFrameWorker = IFrameWorker;
