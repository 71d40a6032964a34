internal import FlowForgeProtocol
internal import FlowForgeStore
internal import Hummingbird
internal import Logging

/// What a load balancer asks. Neither needs a token, and neither says more than yes or no.
enum HealthRoutes {
    static func add<Context: RequestContext>(to router: Router<Context>, services: ControlPlaneServices) {
        // The process answers.
        router.get("healthz") { _, _ in Response.plain("ok\n") }
        // It can also write and read its database, and is not shutting down.
        router.get("readyz") { _, context in
            if services.isDraining { return Response.plain("shutting down\n", status: .serviceUnavailable) }
            do {
                try await services.store.probe()
                return Response.plain("ready\n")
            } catch {
                context.logger.error("not ready", metadata: ["error": "\(error)"])
                let text =
                    switch error {
                    case StoreError.full: "the disk of the database is full: free space under the data folder\n"
                    case StoreError.corrupt: "the database is damaged: restore a backup\n"
                    default: "the database does not take writes\n"
                    }
                return Response.plain(text, status: .serviceUnavailable)
            }
        }
    }
}

extension Response {
    static func plain(
        _ text: String, status: HTTPResponse.Status = .ok, type: String = "text/plain; charset=utf-8"
    ) -> Response {
        Response(
            status: status, headers: [.contentType: type],
            body: ResponseBody(byteBuffer: ByteBuffer(string: text)))
    }
}
