public import FlowForgeProtocol

/// Pages of lists that are sorted by id: the last id of a page is the cursor of the next.
public enum Cursor {
    /// Throws ``ErrorCode/invalidRequest`` for text that is no cursor of such a list.
    public static func id<Entity>(_ entity: Entity.Type, _ text: String?) throws(APIError) -> ID<Entity>? {
        guard let text else { return nil }
        guard let id = ID<Entity>(text) else {
            throw APIError(
                .invalidRequest, "'\(text.prefix(64))' is not where a page of this list ends",
                hint: "pass the `next` of the page before as `after`")
        }
        return id
    }

    /// The page of `rows`, which were asked for with a limit of one more than `limit`.
    public static func page<Row, Item, Entity>(
        _ rows: [Row], limit: Int, id: (Row) -> ID<Entity>, item: (Row) -> Item
    ) -> OperatorAPI.Page<Item> {
        let shown = rows.prefix(limit)
        return OperatorAPI.Page(
            items: shown.map(item), next: rows.count > limit ? shown.last.map { id($0).description } : nil)
    }
}
