import FlowForgeDomain
import FlowForgeGovernance
import FlowForgeProtocol
import Hummingbird

/// What a request to the operator API carries along: who sent it, once its token was recognized.
struct OperatorContext: RequestContext {
    var coreContext: CoreRequestContextStorage
    /// Set by the authentication middleware, which lets no request pass without.
    var signedIn: Principals.SignedIn?

    init(source: ApplicationRequestContextSource) { coreContext = CoreRequestContextStorage(source: source) }

    /// Throws ``APIError`` `unauthenticated`, or `forbidden` when the sender's role does not include `role`.
    @discardableResult
    func require(_ role: Role) throws(APIError) -> Principals.SignedIn {
        guard let signedIn else {
            throw APIError(.unauthenticated, "this needs an API token", hint: "send 'Authorization: Bearer <token>'")
        }
        guard signedIn.role.includes(role) else {
            throw APIError(
                .forbidden,
                "this needs the role '\(role.rawValue)'; '\(signedIn.principal.name)' is '\(signedIn.role.rawValue)'",
                hint: "ask an owner to do it, or for a token with that role")
        }
        return signedIn
    }

    /// As ``require(_:)``, and not a token of some environments only.
    func requireEverywhere(_ role: Role) throws(APIError) {
        guard try require(role).confinement?.environments == nil else { throw Confinement.refusal }
    }
}
