//! Reads what a rule does: its filters and backends become one [`Action`].

use portolan_proto::mesh::mesh_gateway_route::http_route::{
    Filter, Rule,
    filter::{self, HeaderFilter, Rewrite, header_filter::Header, rewrite},
};

use super::{
    action::{
        Action, Backend, Forward, HeaderEdits, HostRewrite, Mirror, PathRewrite, Redirect,
        RedirectStatus,
    },
    backend::{self, Broken},
    destination::Destination,
    header,
    interner::Interner,
};
use crate::fault::Reason;

/// Reads filters and backends of a rule.
pub(super) fn action(
    rule: &Rule,
    destinations: &mut Interner<Destination>,
) -> Result<Action, Broken> {
    if let Some(position) = rule.filters.iter().position(is_redirect) {
        if rule.filters.len() > 1 || !rule.backends.is_empty() {
            return Err(("filters".to_owned(), Reason::RedirectWithOthers));
        }
        return match &rule.filters[position].filter {
            Some(filter::Filter::Redirect(spec)) => {
                redirect(spec)
                    .map(Action::Redirect)
                    .map_err(|(field, reason)| {
                        (format!("filters[{position}].redirect.{field}"), reason)
                    })
            }
            _ => Err((format!("filters[{position}]"), Reason::EmptyFilter)),
        };
    }

    let mut draft = Draft::default();
    for (position, spec) in rule.filters.iter().enumerate() {
        draft
            .apply(spec, destinations)
            .map_err(|(field, reason)| (format!("filters[{position}]{field}"), reason))?;
    }
    let backends = backend::read_all(&rule.backends, destinations)?;
    Ok(Action::Forward(draft.finish(backends)))
}

fn is_redirect(spec: &Filter) -> bool {
    matches!(spec.filter, Some(filter::Filter::Redirect(_)))
}

/// What the filters read so far ask for. Lists grow from filter to filter, of the rest the last counts.
#[derive(Default)]
struct Draft {
    mirrors: Vec<Mirror>,
    path: Option<PathRewrite>,
    host: Option<HostRewrite>,
    request: Edits,
    response: Edits,
}

#[derive(Default)]
struct Edits {
    set: Vec<(Box<str>, Box<str>)>,
    add: Vec<(Box<str>, Box<str>)>,
    remove: Vec<Box<str>>,
}

impl Draft {
    fn apply(
        &mut self,
        spec: &Filter,
        destinations: &mut Interner<Destination>,
    ) -> Result<(), Broken> {
        match &spec.filter {
            Some(filter::Filter::RequestHeader(headers)) => self.request_headers(headers),
            Some(filter::Filter::ResponseHeader(headers)) => {
                for header in &headers.set {
                    self.response.set.push(edit(header, ".responseHeader.set")?);
                }
                self.response.rest(headers, ".responseHeader")
            }
            Some(filter::Filter::Mirror(mirror)) => {
                self.mirrors.extend(read_mirror(mirror, destinations)?);
                Ok(())
            }
            Some(filter::Filter::Rewrite(spec)) => self.rewrite(spec),
            Some(filter::Filter::Redirect(_)) | None => Err((String::new(), Reason::EmptyFilter)),
        }
    }

    fn request_headers(&mut self, headers: &HeaderFilter) -> Result<(), Broken> {
        for header in &headers.set {
            if header::is_host(&header.name) {
                header::plain_value(&header.value)
                    .map_err(|reason| (".requestHeader.set".to_owned(), reason))?;
                self.host = Some(HostRewrite::Literal(header.value.as_str().into()));
            } else {
                self.request.set.push(edit(header, ".requestHeader.set")?);
            }
        }
        self.request.rest(headers, ".requestHeader")
    }

    fn rewrite(&mut self, spec: &Rewrite) -> Result<(), Broken> {
        if let Some(path) = &spec.path {
            self.path = Some(
                path_rewrite(path)
                    .map_err(|(field, reason)| (format!(".rewrite.{field}"), reason))?,
            );
        }
        if spec.host_to_backend_hostname {
            self.host = Some(HostRewrite::Backend);
        }
        Ok(())
    }

    fn finish(self, backends: Box<[Backend]>) -> Forward {
        Forward {
            backends,
            mirrors: self.mirrors.into(),
            path: self.path,
            host: self.host,
            request_headers: self.request.finish(),
            response_headers: self.response.finish(),
        }
    }
}

impl Edits {
    fn rest(&mut self, headers: &HeaderFilter, field: &str) -> Result<(), Broken> {
        for header in &headers.add {
            self.add.push(edit(header, &format!("{field}.add"))?);
        }
        for name in &headers.remove {
            header::writable_name(name).map_err(|reason| (format!("{field}.remove"), reason))?;
            self.remove.push(name.as_str().into());
        }
        Ok(())
    }

    fn finish(self) -> HeaderEdits {
        HeaderEdits {
            set: self.set.into(),
            add: self.add.into(),
            remove: self.remove.into(),
        }
    }
}

fn edit(header: &Header, field: &str) -> Result<(Box<str>, Box<str>), Broken> {
    header::writable_name(&header.name)
        .and_then(|()| header::formatted_value(&header.value))
        .map_err(|reason| (field.to_owned(), reason))?;
    Ok((header.name.as_str().into(), header.value.as_str().into()))
}

/// Nothing if no request is to be copied.
fn read_mirror(
    spec: &filter::Mirror,
    destinations: &mut Interner<Destination>,
) -> Result<Option<Mirror>, Broken> {
    let backend = spec.backend.as_ref();
    let destination = backend
        .and_then(|backend| backend::destination(backend, destinations))
        .ok_or_else(|| (".mirror.backend.destination".to_owned(), Reason::NoService))?;
    let percentage = spec
        .percentage
        .as_ref()
        .map_or(0.0, |percentage| percentage.value);
    // What is no number is no more than 0 either.
    let wanted = percentage > 0.0;
    Ok(wanted.then_some(Mirror {
        destination,
        percentage: percentage.min(100.0),
    }))
}

fn path_rewrite(path: &rewrite::Path) -> Result<PathRewrite, Broken> {
    let (field, text) = match path {
        rewrite::Path::ReplaceFull(text) => ("replaceFull", text),
        rewrite::Path::ReplacePrefixMatch(text) => ("replacePrefixMatch", text),
    };
    header::plain_value(text).map_err(|reason| (field.to_owned(), reason))?;
    Ok(match path {
        // A path is never empty.
        rewrite::Path::ReplaceFull(text) if text.is_empty() => PathRewrite::Full("/".into()),
        rewrite::Path::ReplaceFull(text) => PathRewrite::Full(text.as_str().into()),
        rewrite::Path::ReplacePrefixMatch(text) => {
            PathRewrite::Prefix(text.trim_end_matches('/').into())
        }
    })
}

fn redirect(spec: &filter::Redirect) -> Result<Redirect, Broken> {
    let text = |field: &str, text: &str| -> Result<Option<Box<str>>, Broken> {
        header::plain_value(text).map_err(|reason| (field.to_owned(), reason))?;
        Ok((!text.is_empty()).then(|| text.into()))
    };
    let port =
        u16::try_from(spec.port).map_err(|_| ("port".to_owned(), Reason::Port(spec.port)))?;
    let status = RedirectStatus::from_code(spec.status_code).ok_or_else(|| {
        (
            "statusCode".to_owned(),
            Reason::RedirectStatus(spec.status_code),
        )
    })?;
    let path = spec.path.as_ref().and_then(|rewrite| rewrite.path.as_ref());
    Ok(Redirect {
        scheme: text("scheme", &spec.scheme)?,
        host: text("hostname", &spec.hostname)?,
        port: (port != 0).then_some(port),
        status,
        path: path
            .map(path_rewrite)
            .transpose()
            .map_err(|(field, reason)| (format!("path.{field}"), reason))?,
    })
}
