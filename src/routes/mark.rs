//! The packet filter's table, which marks the connections that come in by the primary ENI, so that they are answered by it even
//! where the pod that answers is on another ENI.
//!
//! ```text
//! table inet aliyun-eni-ipam {
//!     chain prerouting {
//!         type filter hook prerouting priority mangle; policy accept;
//!         iifname "eth0" ct direction original ct mark set ct mark | 0x00000010
//!         ct mark & 0x00000010 == 0x00000010 meta mark set meta mark | 0x00000010
//!     }
//! }
//! ```
//! Not `ct state new`: a UDP flow that began before the table was there would never get its mark. Not `meta mark set ct mark & 0x10`:
//! that erases the marks of others.

use netlink_packet_core::{DefaultNla, NLM_F_APPEND, NLM_F_CREATE, Nla, Parseable};
use netlink_packet_netfilter::nftables::{
    Bitwise, ChainAttribute, ChainMessage, Cmp, DataAttribute, ExpressionAttribute, Expressions, Hook,
    InetHookNumber, ListAttribute, Meta, MetaKey, NfTablesMessage, Operator, Register, RuleAttribute,
    RuleMessage, TableAttribute, TableFlags, TableMessage,
};
use netlink_packet_netfilter::none::ControlMessage;
use netlink_packet_netfilter::{NetfilterHeader, NetfilterMessage, NetfilterProtoFamily};

use crate::routes::numbers::MARK;
use crate::routes::socket::{Answer, Conversation, Refusal};

/// The name of the table.
pub(super) const TABLE: &str = "aliyun-eni-ipam";

/// The name of its one chain.
const CHAIN: &str = "prerouting";

/// Before translation (-100), as the priority `mangle` of `nft`.
const PRIORITY: i32 = -150;

/// The verdict where no rule has one.
const ACCEPT: u32 = 1;

/// The packet filter's number among the parts of netfilter, in the header of a transaction.
const NFTABLES: u16 = 10;

/// How often a transaction is tried again that met another one.
const ATTEMPTS: u32 = 5;

/// The attributes of the expression `ct`, which the library lacks.
mod ct {
    pub(super) const NAME: &str = "ct";
    pub(super) const DESTINATION_REGISTER: u16 = 1;
    pub(super) const KEY: u16 = 2;
    pub(super) const SOURCE_REGISTER: u16 = 4;
    pub(super) const DIRECTION: u32 = 1;
    pub(super) const MARK: u32 = 3;
}

/// How the packet filter's table is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Right,
    Otherwise,
    Absent,
}

/// Looks at the table.
pub(super) fn look(kernel: &Conversation, primary_link: &str) -> Result<State, Refusal> {
    let table = TableMessage { attributes: vec![TableAttribute::Name(TABLE.to_owned())] };
    let table = kernel.get(&message(NfTablesMessage::GetTable(table)), is_plain_table);
    let chain = ChainMessage {
        attributes: vec![ChainAttribute::Table(TABLE.to_owned()), ChainAttribute::Name(CHAIN.to_owned())],
    };
    let chain = || kernel.get(&message(NfTablesMessage::GetChain(chain)), is_our_chain);
    match table.and_then(|is_plain| Ok(is_plain && chain()?)) {
        Err(refusal) if refusal.is(libc::ENOENT) => {
            return Ok(if is_there(kernel)? { State::Otherwise } else { State::Absent });
        }
        Err(refusal) => return Err(refusal),
        Ok(false) => return Ok(State::Otherwise),
        Ok(true) => {}
    }
    let of_chain = RuleMessage {
        attributes: vec![RuleAttribute::Table(TABLE.to_owned()), RuleAttribute::Chain(CHAIN.to_owned())],
    };
    let rules = kernel.list(&message(NfTablesMessage::GetRule(of_chain)), |it| Some(expressions_of(it)))?;
    let ours = rules_of(primary_link);
    let are_ours = rules.len() == ours.len() && rules.iter().zip(&ours).all(|(it, our)| has_all(it, our));
    Ok(if are_ours { State::Right } else { State::Otherwise })
}

/// Whether there is a table of this plugin's name.
pub(super) fn is_there(kernel: &Conversation) -> Result<bool, Refusal> {
    let table = TableMessage { attributes: vec![TableAttribute::Name(TABLE.to_owned())] };
    match kernel.get(&message(NfTablesMessage::GetTable(table)), |_| ()) {
        Err(refusal) if refusal.is(libc::ENOENT) => Ok(false),
        answer => answer.map(|()| true),
    }
}

/// Puts the table in place, in the place of one that is otherwise.
pub(super) fn put(kernel: &Conversation, primary_link: &str) -> Result<(), Refusal> {
    let create = |inner| (message(inner), NLM_F_CREATE);
    let mut steps = vec![begin()];
    // Removing what may not be there is an error. So it is made first, whatever it is.
    steps.push(create(NfTablesMessage::NewTable(table())));
    steps.push((message(NfTablesMessage::DeleteTable(table())), 0));
    steps.push(create(NfTablesMessage::NewTable(table())));
    steps.push(create(NfTablesMessage::NewChain(chain())));
    for expressions in rules_of(primary_link) {
        let rule = RuleMessage {
            attributes: vec![
                RuleAttribute::Table(TABLE.to_owned()),
                RuleAttribute::Chain(CHAIN.to_owned()),
                RuleAttribute::Expressions(expressions.into_iter().map(Into::into).collect()),
            ],
        };
        steps.push((message(NfTablesMessage::NewRule(rule)), NLM_F_CREATE | NLM_F_APPEND));
    }
    steps.push(end());
    transact(kernel, &steps)
}

/// Removes the table. Returns whether it was there.
pub(super) fn remove(kernel: &Conversation) -> Result<bool, Refusal> {
    if !is_there(kernel)? {
        return Ok(false);
    }
    let steps = [begin(), (message(NfTablesMessage::DeleteTable(table())), 0), end()];
    match transact(kernel, &steps) {
        Err(refusal) if refusal.is(libc::ENOENT) => Ok(false),
        done => done.map(|()| true),
    }
}

fn transact(kernel: &Conversation, steps: &[(NetfilterMessage, u16)]) -> Result<(), Refusal> {
    let met_another = [libc::EAGAIN, libc::EEXIST, libc::EINTR, libc::EBUSY];
    for _ in 1..ATTEMPTS {
        match kernel.transact(steps) {
            Err(refusal) if refusal.is_one_of(&met_another) => {}
            done => return done,
        }
    }
    kernel.transact(steps)
}

fn message(inner: NfTablesMessage) -> NetfilterMessage {
    NetfilterMessage::new(NetfilterHeader::new(NetfilterProtoFamily::Inet, 0, 0), inner)
}

fn control(inner: ControlMessage) -> (NetfilterMessage, u16) {
    (NetfilterMessage::new(NetfilterHeader::new(NetfilterProtoFamily::Unspec, 0, NFTABLES), inner), 0)
}

fn begin() -> (NetfilterMessage, u16) {
    control(ControlMessage::BatchBegin)
}

fn end() -> (NetfilterMessage, u16) {
    control(ControlMessage::BatchEnd)
}

fn table() -> TableMessage {
    TableMessage { attributes: vec![TableAttribute::Name(TABLE.to_owned())] }
}

fn chain() -> ChainMessage {
    ChainMessage {
        attributes: vec![
            ChainAttribute::Table(TABLE.to_owned()),
            ChainAttribute::Name(CHAIN.to_owned()),
            ChainAttribute::Type("filter".to_owned()),
            ChainAttribute::Policy(ACCEPT),
            ChainAttribute::Hook(hook().to_vec()),
        ],
    }
}

fn hook() -> [Hook; 2] {
    [Hook::Number(InetHookNumber::PreRouting.into()), Hook::Priority(PRIORITY.cast_unsigned())]
}

/// Whether a table is awake, and has one chain and nothing else.
fn is_plain_table((_, body): Answer<'_>) -> bool {
    parse::<TableMessage>(body).is_some_and(|table| {
        table.attributes.iter().all(|attribute| match attribute {
            TableAttribute::Flags(flags) => *flags == TableFlags::empty(),
            TableAttribute::Use(count) => *count == 1,
            _ => true,
        })
    })
}

fn is_our_chain((_, body): Answer<'_>) -> bool {
    parse::<ChainMessage>(body).is_some_and(|ChainMessage { attributes }| {
        chain().attributes.iter().all(|ours| {
            match ours {
            ChainAttribute::Hook(hooks) => attributes.iter().any(|it| {
                matches!(it, ChainAttribute::Hook(found) if hooks.iter().all(|hook| found.contains(hook)))
            }),
            ours => attributes.contains(ours),
        }
        })
    })
}

fn expressions_of((_, body): Answer<'_>) -> Vec<Expressions> {
    let attributes = parse::<RuleMessage>(body).map(|rule| rule.attributes);
    let list = attributes.into_iter().flatten().find_map(|attribute| match attribute {
        RuleAttribute::Expressions(list) => Some(list),
        _ => None,
    });
    let data = |attribute| match attribute {
        ExpressionAttribute::Data(expression) => Some(expression),
        _ => None,
    };
    let one = |attribute| match attribute {
        ListAttribute::Element(parts) => parts.into_iter().find_map(data),
        _ => None,
    };
    // A rule that cannot be read counts as one without expressions, which is none of ours.
    let list = list.unwrap_or_default().into_iter();
    list.map(|it| one(it).unwrap_or(Expressions::Unknown(Vec::new()))).collect()
}

/// What is behind the header of netfilter's messages.
fn parse<T: Parseable<[u8]>>(body: &[u8]) -> Option<T> {
    T::parse(body.get(4..)?).ok()
}

/// Whether a rule of the kernel has our expressions and no others. A newer kernel may say more of each.
fn has_all(found: &[Expressions], ours: &[Expressions]) -> bool {
    found.len() == ours.len() && found.iter().zip(ours).all(|(found, ours)| says(found, ours))
}

fn says(found: &Expressions, ours: &Expressions) -> bool {
    fn all<T: PartialEq>(found: &[T], ours: &[T]) -> bool {
        ours.iter().all(|it| found.contains(it))
    }
    match (found, ours) {
        (Expressions::Meta(found), Expressions::Meta(ours)) => all(found, ours),
        (Expressions::Cmp(found), Expressions::Cmp(ours)) => all(found, ours),
        (Expressions::Bitwise(found), Expressions::Bitwise(ours)) => all(found, ours),
        (
            Expressions::Other { expression_type: found_type, attributes: found },
            Expressions::Other { expression_type, attributes: ours },
        ) => {
            let value = |it: &DefaultNla| {
                let mut value = vec![0; it.value_len()];
                it.emit_value(&mut value);
                (it.kind(), value)
            };
            let found: Vec<_> = found.iter().map(value).collect();
            let ours: Vec<_> = ours.iter().map(value).collect();
            found_type == expression_type && all(&found, &ours)
        }
        _ => false,
    }
}

/// The expressions of both rules.
fn rules_of(primary_link: &str) -> [Vec<Expressions>; 2] {
    // Interface names are compared with the zero bytes behind them.
    let mut name = primary_link.as_bytes().to_vec();
    name.resize(16, 0);
    [
        vec![
            load(MetaKey::Iifname),
            equal(name),
            load_ct(ct::DIRECTION),
            equal(vec![0]),
            load_ct(ct::MARK),
            or_mark(),
            ct_expression(ct::SOURCE_REGISTER, ct::MARK),
        ],
        vec![
            load_ct(ct::MARK),
            bitwise(MARK, 0),
            equal(MARK.to_ne_bytes().to_vec()),
            load(MetaKey::Mark),
            or_mark(),
            Expressions::Meta(vec![Meta::Key(MetaKey::Mark), Meta::SourceRegister(Register::Reg1)]),
        ],
    ]
}

fn load(key: MetaKey) -> Expressions {
    Expressions::Meta(vec![Meta::Key(key), Meta::DestinationRegister(Register::Reg1)])
}

fn equal(value: Vec<u8>) -> Expressions {
    Expressions::Cmp(vec![
        Cmp::SourceRegister(Register::Reg1),
        Cmp::Op(Operator::Equal),
        Cmp::Data(DataAttribute::Value(value)),
    ])
}

fn load_ct(key: u32) -> Expressions {
    ct_expression(ct::DESTINATION_REGISTER, key)
}

fn ct_expression(register: u16, key: u32) -> Expressions {
    let number = |kind, number: u32| DefaultNla::new(kind, number.to_be_bytes().to_vec());
    Expressions::Other {
        expression_type: ct::NAME.to_owned(),
        attributes: vec![number(register, Register::Reg1.into()), number(ct::KEY, key)],
    }
}

/// What the register has, with the bit of the mark.
fn or_mark() -> Expressions {
    bitwise(!MARK, MARK)
}

fn bitwise(mask: u32, xor: u32) -> Expressions {
    let value = |number: u32| DataAttribute::Value(number.to_ne_bytes().to_vec());
    Expressions::Bitwise(vec![
        Bitwise::SourceRegister(Register::Reg1),
        Bitwise::DestinationRegister(Register::Reg1),
        Bitwise::Length(4),
        Bitwise::Mask(value(mask)),
        Bitwise::Xor(value(xor)),
    ])
}

#[cfg(test)]
mod tests {
    use netlink_packet_core::Emitable;

    use super::*;

    /// What `nft --debug=mnl` sends for `ct direction original`, `ct mark` and `ct mark set`, without the bytes behind each name.
    #[test]
    #[cfg(target_endian = "little")]
    fn the_expression_ct_is_written_as_nft_writes_it() {
        let bytes = |expression: Expressions| {
            let mut bytes = vec![0; expression.buffer_len()];
            expression.emit(&mut bytes);
            bytes
        };
        for (expression, register, key) in [
            (load_ct(ct::DIRECTION), 1, 1),
            (load_ct(ct::MARK), 1, 3),
            (ct_expression(ct::SOURCE_REGISTER, ct::MARK), 4, 3),
        ] {
            assert_eq!(bytes(expression), [8, 0, register, 0, 0, 0, 0, 1, 8, 0, 2, 0, 0, 0, 0, key]);
        }
    }

    #[test]
    fn a_rule_with_more_or_other_expressions_is_not_this_plugins() {
        let [first, second] = rules_of("eth0");
        assert!(has_all(&first, &first));
        for other in [&second, &rules_of("eth1")[0], &first[1..].to_vec()] {
            assert!(!has_all(&first, other), "{other:?}");
        }
    }
}
